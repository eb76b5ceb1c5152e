//! What can go wrong while a world is written.

use std::path::PathBuf;

use emomm_media::MediaError;
use thiserror::Error;

/// Why a world could not be planned or written.
#[derive(Debug, Error)]
pub enum SynthError {
    /// An option makes no sense.
    #[error("{option}: found {found}, expected {expected}")]
    Option {
        /// The option.
        option: &'static str,
        /// What was given.
        found: String,
        /// What would have been accepted.
        expected: &'static str,
    },
    /// The folder holds another world.
    #[error("{} holds a world with {what} {found}, asked for was {wanted}", folder.display())]
    OtherWorld {
        /// The folder.
        folder: PathBuf,
        /// What differs.
        what: &'static str,
        /// What is there.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// The folder holds something that is no world.
    #[error("{} holds files but no world.json of a synthetic world", folder.display())]
    Foreign {
        /// The folder.
        folder: PathBuf,
    },
    /// Another process writes into the folder.
    #[error("{holder} writes into {}", folder.display())]
    Busy {
        /// The folder.
        folder: PathBuf,
        /// Who holds its lock.
        holder: String,
    },
    /// The operating system refused a file or a process.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// The file or program.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's own error.
        source: std::io::Error,
    },
    /// ffmpeg refused to encode.
    #[error("ffmpeg could not write `{}`: {detail}", path.display())]
    Encode {
        /// The clip.
        path: PathBuf,
        /// What ffmpeg had to say.
        detail: String,
    },
    /// A file of an unfinished world cannot be read.
    #[error("`{}`: {detail}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// ffmpeg is missing or unusable.
    #[error(transparent)]
    Media(#[from] MediaError),
}

impl SynthError {
    /// What the reader of the message can do, when there is something.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Option { .. } | Self::Io { .. } => return None,
            Self::OtherWorld { .. } => {
                "a world is resumed only with the options that it was begun with; take another folder"
            }
            Self::Foreign { .. } => "take a new or empty folder",
            Self::Busy { .. } => {
                "wait until it has ended, or take another folder; the lock ends with its process"
            }
            Self::Encode { .. } => "`emomm doctor` lists ffmpeg's encoders; libx264 and aac are needed",
            Self::Damaged { .. } => "delete the file; the clips that it tells of are made again",
            Self::Media(error) => return error.hint(),
        };
        Some(hint.to_owned())
    }
}
