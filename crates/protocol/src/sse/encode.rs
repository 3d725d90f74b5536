//! Events written.

/// A comment, which keeps a stream from looking dead.
pub const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

/// Writes one event whose data is JSON text. JSON has no line ends but between its tokens, where a blank is as good: a
/// line end would be the end of the data.
pub fn write_event(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"data: ");
    let start = out.len();
    write(out);
    let mut data = &mut out[start..];
    while let Some(at) = memchr::memchr2(b'\n', b'\r', data) {
        data[at] = b' ';
        data = &mut data[at + 1..];
    }
    out.extend_from_slice(b"\n\n");
}

/// The same with an id, by which a client that has lost the stream says up to where it has read.
pub fn write_event_with_id(out: &mut Vec<u8>, id: &str, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"id: ");
    out.extend_from_slice(id.as_bytes());
    out.push(b'\n');
    write_event(out, write);
}

/// Tells how long a client is to wait before it comes back. No event.
pub fn write_retry(out: &mut Vec<u8>, retry_ms: u64) {
    out.extend_from_slice(format!("retry: {retry_ms}\n\n").as_bytes());
}

/// Writes an event without data, which gives the client an id to come back with, and how long it is to wait then.
pub fn write_priming(out: &mut Vec<u8>, id: &str, retry_ms: u64) {
    out.extend_from_slice(format!("id: {id}\nretry: {retry_ms}\ndata: \n\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line_and_an_empty_one() {
        let mut out = Vec::new();
        write_event(&mut out, |out| out.extend_from_slice(b"{}"));
        assert_eq!(out, b"data: {}\n\n");
        out.clear();
        write_event_with_id(&mut out, "7-a", |out| out.extend_from_slice(b"{}"));
        write_retry(&mut out, 250);
        assert_eq!(out, b"id: 7-a\ndata: {}\n\nretry: 250\n\n");
    }
    #[test]
    fn what_is_on_several_lines_is_one_event_all_the_same() {
        let mut out = Vec::new();
        write_event(&mut out, |out| out.extend_from_slice(b"{\r\n  \"a\": [\n1]\n}"));
        assert_eq!(String::from_utf8_lossy(&out), "data: {    \"a\": [ 1] }\n\n");
    }
}
