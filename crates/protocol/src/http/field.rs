//! Names of header fields.

/// True where a field's name is `known`, which is in lower case. `name` is a token (RFC 9110, 5.6.2), as it is where httparse has
/// read it: the bit that tells small letters from capital ones then makes no other byte a letter or a hyphen.
pub fn is_named<const N: usize>(name: &[u8], known: &[u8; N]) -> bool {
    <&[u8; N]>::try_from(name).is_ok_and(|name| name.map(|byte| byte | 0x20) == *known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_regard_to_case() {
        for same in ["mcp-method", "Mcp-Method", "MCP-METHOD"] {
            assert!(is_named(same.as_bytes(), b"mcp-method"), "{same}");
        }
        for other in ["mcp_method", "mcp-methods", "mcp-metho", "xcp-method", ""] {
            assert!(!is_named(other.as_bytes(), b"mcp-method"), "{other}");
        }
    }

    #[test]
    fn no_other_byte_of_a_token_is_taken_for_a_letter_or_a_hyphen() {
        let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        for known in (b'a'..=b'z').chain([b'-']) {
            for sent in (0..=255).filter(token) {
                assert_eq!(is_named(&[sent], &[known]), sent.eq_ignore_ascii_case(&known), "{sent:#x} for {known:#x}");
            }
        }
    }
}
