//! The supervised cluster of replicas.
