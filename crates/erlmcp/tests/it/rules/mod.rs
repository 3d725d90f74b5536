//! The rules of ARCHITECTURE.md, checked against the source. Each check is a function over a [`Tree`], so that
//! a second test can hand it a tree that breaks the rule and see it fail.

mod edges;
mod features;
mod names;
mod sizes;
mod source;
mod text;
