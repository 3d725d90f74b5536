//! Names of header fields.

/// True for a token (RFC 9110, 5.6.2), which a field's name has to be.
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().copied().all(is_token_byte)
}

/// True for a byte of a token.
pub fn is_token_byte(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
        || byte.is_ascii_alphanumeric()
}

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
        for known in (b'a'..=b'z').chain([b'-']) {
            for sent in (0..=255).filter(|byte| is_token_byte(*byte)) {
                assert_eq!(is_named(&[sent], &[known]), sent.eq_ignore_ascii_case(&known), "{sent:#x} for {known:#x}");
            }
        }
    }

    #[test]
    fn a_token_is_of_these_bytes() {
        let listed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        assert!((0..=255).all(|byte| is_token_byte(byte) == listed(byte)));
        assert!(is_token(b"Mcp-Method") && !is_token(b"") && !is_token(b"a b"));
    }
}
