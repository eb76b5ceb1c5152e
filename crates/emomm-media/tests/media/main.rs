//! Decoding of real files, made by ffmpeg when the tests run.
//!
//! Every picture shows its own frame number as a grey level, so the right frames are proven by their content. Without
//! ffmpeg these tests fail; they never pass by doing nothing.

mod audio;
mod clips;
mod hostile;
mod limits;
mod video;
