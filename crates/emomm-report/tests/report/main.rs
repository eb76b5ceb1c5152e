//! The analysis and the report from outside: known answers, an independent reference, the page, a browser.

mod browser;
mod by_hand;
mod chase;
mod forms;
mod golden;
mod made_up;
mod pages;
mod readings;
mod spatial;
