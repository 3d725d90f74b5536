//! Events read.
