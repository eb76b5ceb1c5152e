//! Served models against a server that misbehaves, in both forms: what is sent, what is kept, what it costs.

#[path = "../mock/mod.rs"]
mod mock;

mod abilities;
mod faults;
mod leaks;
mod money;
mod network;
mod repeats;
mod stage;
mod stored;
mod trials;
