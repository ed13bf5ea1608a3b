//! The delivery model, explored: every world keeps every property with all rules on, and each rule,
//! turned off, has a counterexample.

mod ends;
mod holds;
mod readings;
mod rules;
mod search;
mod worlds;
