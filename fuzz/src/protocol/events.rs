//! The client's decoder of event streams, in any pieces, beside a reader that has the whole text before it.

use erlmcp_protocol::sse::decode::Decoder;

use super::pieces;

/// More than an input here, so that a limit does not depend on the pieces.
const EVENT_MAX: usize = 1 << 20;
const SMALL: usize = 100;

/// What a stream said.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    events: Vec<Vec<u8>>,
    last_id: Option<String>,
    retry_ms: Option<u64>,
    comments: u64,
}

fn read(pieces: &[&[u8]]) -> Heard {
    let mut decoder = Decoder::new(EVENT_MAX);
    let mut events = Vec::new();
    for piece in pieces {
        decoder.feed(piece, |event| events.push(event.to_vec())).expect("the limit is larger than the input");
    }
    let last_id = decoder.last_id().map(str::to_string);
    Heard { events, last_id, retry_ms: decoder.retry_ms(), comments: decoder.comments() }
}

/// As the standard says it, word by word: lines first, then their fields.
fn plainly(input: &[u8]) -> Heard {
    let input = input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input);
    let mut heard = Heard { events: Vec::new(), last_id: None, retry_ms: None, comments: 0 };
    let (mut lines, mut line, mut after_cr) = (Vec::new(), Vec::new(), false);
    for byte in input {
        match byte {
            b'\n' if after_cr => {}
            b'\n' | b'\r' => lines.push(std::mem::take(&mut line)),
            other => line.push(*other),
        }
        after_cr = *byte == b'\r';
    }
    let (mut data, mut id): (Vec<Vec<u8>>, Option<Vec<u8>>) = (Vec::new(), None);
    for line in lines {
        if line.is_empty() {
            if let Some(id) = id.take() {
                heard.last_id = String::from_utf8(id).ok().filter(|id| !id.is_empty());
            }
            heard.events.extend(Some(data.join(&b'\n')).filter(|event| !event.is_empty()));
            data.clear();
            continue;
        }
        heard.comments += u64::from(line[0] == b':');
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"data" => data.push(value.to_vec()),
            b"id" if value.len() <= 1_024 && value.iter().all(u8::is_ascii_graphic) => id = Some(value.to_vec()),
            b"retry" if value.iter().all(u8::is_ascii_digit) => {
                heard.retry_ms = String::from_utf8_lossy(value).parse().ok().or(heard.retry_ms);
            }
            _ => {}
        }
    }
    heard
}

/// The first byte says how the rest is cut.
pub fn run(input: &[u8]) {
    let (whole, pieces) = pieces::cut(input);
    let heard = read(&[whole]);
    assert_eq!(heard, read(&pieces), "in pieces");
    assert_eq!(heard, plainly(whole), "as the standard has it");
    let mut small = Decoder::new(SMALL);
    for piece in &pieces {
        if small.feed(piece, |event| assert!(event.len() <= SMALL)).is_err() {
            break;
        }
    }
    assert!(small.capacity() <= 4 * SMALL, "it holds {} bytes", small.capacity());
}
