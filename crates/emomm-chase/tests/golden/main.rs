//! CHASE against an implementation in PyTorch on tiny checkpoints, and identities that hold whatever the weights.

mod case;
mod identities;
mod router_input;
mod sources;
mod steering;
mod training;
