//! Events written.
