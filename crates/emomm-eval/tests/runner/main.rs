//! The runner with predictors that misbehave: their records say so, the rest goes on.

mod faults;
mod order;
mod stage;
mod trial;
