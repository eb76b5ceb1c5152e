//! The app from outside: pages, rules, proofs. One binary, so that it is linked once.

mod alike;
mod browser;
mod export;
mod flow;
mod import;
mod kill;
mod lead;
mod matrix;
mod storage;
mod support;
mod tls;
mod walk;
mod webdriver;
