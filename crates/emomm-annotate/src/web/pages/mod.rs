//! The handlers, one file for each part of the app.

pub(super) mod entry;
pub(super) mod lead;
pub(super) mod preferences;
pub(super) mod statics;
pub(super) mod submit;
pub(super) mod work;
