//! Run folders: what is acknowledged is kept, what is torn is cut, what has changed is refused.

mod disks;
mod folders;
mod made_up;
mod merging;
