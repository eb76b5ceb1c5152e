//! A project on disk: `project.db`, `blobs/` with the derivatives, and nothing else that matters.
//!
//! The folder is the whole state: copy it while nothing runs, or use `annotate backup` while something does.

use std::fs;
use std::path::{Path, PathBuf};

use emomm_dataset::{FolderLock, LockError};
use emomm_media::Ffmpeg;
use rusqlite::{Connection, params};
use serde::Serialize;
use serde_json::json;

use crate::accounts::{self, Role};
use crate::audit::{self, Actor};
use crate::error::AnnotateError;
use crate::import::{ImportOptions, Imported, SourceClip, import};
use crate::opaque::{random_id, seeded_key};
use crate::settings::Settings;
use crate::store::Store;
use crate::work::{self, Phase};

/// The database.
pub const DATABASE: &str = "project.db";
/// Locked by the server that serves the project.
const LOCK: &str = "serve.lock";
/// The folder of derivatives.
pub const BLOBS: &str = "blobs";

/// A project.
#[derive(Debug, Clone)]
pub struct Project {
    folder: PathBuf,
    store: Store,
}

/// A link that makes a pseudonym somebody's account. Shown once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Invitation {
    /// The pseudonym.
    pub account: String,
    /// `annotator` or `lead`.
    pub role: &'static str,
    /// The path behind the server's address.
    pub path: String,
}

/// What was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Initialised {
    /// Clips and items of main work.
    pub main: Imported,
    /// Clips and items of training and calibration.
    pub practice: Imported,
    /// One for each account.
    pub invitations: Vec<Invitation>,
}

impl Project {
    /// Makes an empty project in a new or empty folder.
    pub fn create(folder: &Path, settings: &Settings) -> Result<Self, AnnotateError> {
        settings.check()?;
        let io = |source| AnnotateError::Io { path: folder.to_owned(), source };
        let is_taken = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
        if is_taken || folder.is_file() {
            return Err(AnnotateError::Option {
                option: "PROJECT".to_owned(),
                found: format!("{}, where something is", folder.display()),
                expected: "a new or an empty folder".to_owned(),
            });
        }
        fs::create_dir_all(folder.join(BLOBS)).map_err(io)?;
        keep_private(folder).map_err(io)?;
        let store = Store::create(&folder.join(DATABASE))?;
        let project = Self { folder: folder.to_owned(), store };
        let settings = settings.clone();
        project.store.write_now(move |transaction| {
            let text = serde_json::to_string(&settings).unwrap_or_default();
            transaction.execute("INSERT INTO meta (key, value) VALUES ('settings', ?1)", [&text])?;
            transaction.execute("INSERT INTO meta (key, value) VALUES ('project', ?1)", [random_id()?])?;
            let created_by = concat!("emomm ", env!("CARGO_PKG_VERSION"));
            audit::append(
                transaction,
                &Actor::Machine,
                "project.created",
                &json!({ "created_by": created_by, "settings": settings }),
            )
        })?;
        Ok(project)
    }

    /// Opens a project.
    pub fn open(folder: &Path) -> Result<Self, AnnotateError> {
        let database = folder.join(DATABASE);
        if !database.is_file() {
            return Err(AnnotateError::Project {
                path: folder.to_owned(),
                found: format!("no {DATABASE}"),
                expected: "an annotation project".to_owned(),
            });
        }
        Ok(Self { folder: folder.to_owned(), store: Store::open(&database)? })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Makes sure that no other server serves this project, for as long as the lock is kept: each holds rules and limits
    /// in its memory.
    pub(crate) fn claim(&self) -> Result<Option<FolderLock>, AnnotateError> {
        match FolderLock::take(&self.folder, LOCK) {
            Ok(lock) => Ok(Some(lock)),
            Err(LockError::Held { holder, .. }) => Err(AnnotateError::Serve {
                message: format!("another server serves {} ({holder})", self.folder.display()),
                hint: "end it first; other commands of annotate may run beside it".to_owned(),
            }),
            // Where the file system knows no locks there is none.
            Err(LockError::Lock { .. }) => Ok(None),
            Err(LockError::File { path, source }) => Err(AnnotateError::Io { path, source }),
        }
    }

    /// Where a derivative lies. Names come from the database only.
    pub fn blob_path(&self, blob: &str) -> PathBuf {
        self.folder.join(BLOBS).join(blob)
    }

    /// The rules.
    pub fn settings(&self) -> Result<Settings, AnnotateError> {
        self.store.read_now(settings_of)
    }

    /// Imports clips, makes accounts, plans the whole work.
    ///
    /// Practice clips come from `practice`, or are drawn from `clips` and are then no part of main work.
    pub fn fill(
        &self,
        ffmpeg: &Ffmpeg,
        clips: Vec<SourceClip>,
        practice: Option<Vec<SourceClip>>,
        n_annotators: usize,
        progress: &(dyn Fn(usize) + Sync),
    ) -> Result<Initialised, AnnotateError> {
        let settings = self.settings()?;
        let (main, practice) = match practice {
            Some(practice) => (clips, practice),
            None => draw_practice(&settings, clips),
        };
        let (training, calibration) = {
            let mut training = practice;
            let rest = training.split_off(settings.training.min(training.len()));
            (training, rest.into_iter().take(settings.calibration).collect::<Vec<_>>())
        };
        let add = |clips: &[SourceClip], phase, first_seq, done: usize| {
            let options = ImportOptions { phase, first_seq };
            import(self, &settings, ffmpeg, clips, options, &|n| progress(done + n))
        };
        let imported = add(&main, Phase::Main, 1, 0)?;
        // Practice clips are numbered behind the main ones, which begin at 1 as in the paper's sheets.
        let n = main.len();
        let mut in_practice = add(&training, Phase::Training, n as i64 + 1, n)?;
        let first = n as i64 + training.len() as i64 + 1;
        let in_calibration = add(&calibration, Phase::Calibration, first, n + training.len())?;
        in_practice.n_clips += in_calibration.n_clips;
        in_practice.n_items += in_calibration.n_items;
        in_practice.subtitles.extend(in_calibration.subtitles);
        in_practice.problems.extend(in_calibration.problems);
        if imported.n_clips == 0 {
            return Err(AnnotateError::Project {
                path: self.folder.clone(),
                found: "no clip for main work".to_owned(),
                expected: "more clips than the training and calibration rounds take".to_owned(),
            });
        }
        let invitations = self.invite_all(&settings, n_annotators)?;
        Ok(Initialised { main: imported, practice: in_practice, invitations })
    }

    /// Accounts A1, A2, … and one lead; the plan of their work.
    pub fn invite_all(
        &self,
        settings: &Settings,
        n_annotators: usize,
    ) -> Result<Vec<Invitation>, AnnotateError> {
        let settings = settings.clone();
        self.store.write_now(move |transaction| {
            let actor = Actor::Machine;
            let mut names = vec![("L1".to_owned(), Role::Lead)];
            names.extend((1..=n_annotators).map(|i| (format!("A{i}"), Role::Annotator)));
            let mut invitations = Vec::new();
            let mut annotators = Vec::new();
            for (pseudonym, role) in names {
                let id = accounts::create(transaction, &actor, &pseudonym, role)?;
                let token = accounts::invite(transaction, &actor, &pseudonym)?;
                if role == Role::Annotator {
                    annotators.push((id, pseudonym.clone()));
                }
                let path = format!("/invite/{token}");
                invitations.push(Invitation { account: pseudonym, role: role.name(), path });
            }
            let clips = main_clips(transaction)?;
            work::plan(transaction, &settings, &annotators, &clips)?;
            audit::append(
                transaction,
                &actor,
                "work.planned",
                &json!({ "annotators": annotators.len(), "clips": clips.len() }),
            )?;
            Ok(invitations)
        })
    }

    /// A new invitation for an account, for those who are locked out.
    pub fn invite(&self, pseudonym: &str) -> Result<Invitation, AnnotateError> {
        let pseudonym = pseudonym.to_owned();
        self.store.write_now(move |transaction| {
            let token = accounts::invite(transaction, &Actor::Machine, &pseudonym)?;
            let account = accounts::by_pseudonym(transaction, &pseudonym)?;
            Ok(Invitation { account: pseudonym, role: account.role.name(), path: format!("/invite/{token}") })
        })
    }
}

/// The rules as stored.
pub(crate) fn settings_of(connection: &Connection) -> Result<Settings, AnnotateError> {
    let text: String =
        connection.query_row("SELECT value FROM meta WHERE key = 'settings'", [], |row| row.get(0))?;
    serde_json::from_str(&text).map_err(|e| {
        AnnotateError::refused("settings", e.to_string(), "the settings of this version of emomm")
    })
}

/// Replaces the rules; for those that the lead may change while work goes on.
pub(crate) fn store_settings(
    transaction: &rusqlite::Transaction<'_>,
    actor: &Actor,
    settings: &Settings,
) -> Result<(), AnnotateError> {
    settings.check()?;
    let text = serde_json::to_string(settings).unwrap_or_default();
    transaction.execute("UPDATE meta SET value = ?1 WHERE key = 'settings'", [text])?;
    audit::append(transaction, actor, "settings.changed", &json!({ "settings": settings }))
}

/// Main clips in the order of `seq`.
pub(crate) fn main_clips(connection: &Connection) -> Result<Vec<i64>, AnnotateError> {
    let mut statement = connection.prepare("SELECT id FROM clip WHERE use = 'main' ORDER BY seq")?;
    Ok(statement.query_map(params![], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Takes practice clips out of `clips`: those with known labels first, so that feedback can be given.
fn draw_practice(settings: &Settings, clips: Vec<SourceClip>) -> (Vec<SourceClip>, Vec<SourceClip>) {
    // Never more than a fifth of a small corpus.
    let wanted = (settings.training + settings.calibration).min(clips.len() / 5);
    let mut order: Vec<usize> = (0..clips.len()).collect();
    order.sort_by_key(|i| {
        let clip = &clips[*i];
        let n_unknown = clip.scores.iter().filter(|s| s.is_none()).count();
        (n_unknown, seeded_key(settings.seed, &["practice", &clip.corpus, &clip.name()]))
    });
    let drawn: std::collections::BTreeSet<usize> = order[..wanted].iter().copied().collect();
    let practice: Vec<SourceClip> = order[..wanted].iter().map(|i| clips[*i].clone()).collect();
    let main =
        clips.into_iter().enumerate().filter(|(i, _)| !drawn.contains(i)).map(|(_, clip)| clip).collect();
    (main, practice)
}

/// Only the owner may look into the folder.
#[cfg(unix)]
pub(crate) fn keep_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
pub(crate) fn keep_private(_folder: &Path) -> std::io::Result<()> {
    Ok(())
}
