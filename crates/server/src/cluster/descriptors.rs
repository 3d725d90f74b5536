//! The limit of open descriptors: every connection needs one.

use super::error::ClusterError;
use crate::engine::raise_descriptor_limit;
use crate::limits::Limits;

/// Raises this process's soft limit to the hard one, for a server with these limits.
///
/// # Errors
/// Where even the hard limit leaves no descriptor for a connection.
pub fn descriptors_for(limits: &Limits) -> Result<u64, ClusterError> {
    let (limit, reserved) = (raise_descriptor_limit(), limits.descriptors_reserved);
    if limit > reserved { Ok(limit - reserved) } else { Err(ClusterError::Descriptors { limit, reserved }) }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Resource, getrlimit};

    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let raised = raise_descriptor_limit();
        assert_eq!(Some(raised), getrlimit(Resource::Nofile).maximum.or(Some(u64::MAX)));
        let limits = |descriptors_reserved| Limits { descriptors_reserved, ..Limits::default() };
        assert!(matches!(descriptors_for(&limits(raised - 1)), Ok(1)));
        assert!(matches!(descriptors_for(&limits(raised)), Err(ClusterError::Descriptors { .. })));
    }
}
