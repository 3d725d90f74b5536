//! What is true of the whole: the house rules, and the binary as a user meets it.

mod rules;
