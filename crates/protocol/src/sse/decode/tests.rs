use proptest::prelude::*;

use super::*;

fn in_pieces(input: &[u8], cuts: &[usize]) -> Result<Vec<String>, TooLarge> {
    let mut decoder = Decoder::new(100);
    let mut events = Vec::new();
    let mut begin = 0;
    for &end in cuts.iter().chain([&input.len()]) {
        let event = |data: &[u8]| events.push(String::from_utf8_lossy(data).into_owned());
        decoder.feed(&input[begin..end], event)?;
        begin = end;
    }
    Ok(events)
}

fn events(input: &str) -> Vec<String> {
    in_pieces(input.as_bytes(), &[]).expect("events are small")
}

#[test]
fn lines_end_with_lf_cr_or_both() {
    for end in ["\n", "\r", "\r\n"] {
        let stream = "data: one\n\ndata:two\ndata:  three\n\n".replace('\n', end);
        assert_eq!(events(&stream), ["one", "two\n three"], "{end:?}");
    }
}

#[test]
fn comments_and_other_fields_are_read_over() {
    let stream = ": keep-alive\n\n:\nevent: message\nid: 7\nretry: 10\ndatas: no\ndata: yes\n\n";
    assert_eq!(events(stream), ["yes"]);
}

#[test]
fn comments_are_counted_for_each_stream_anew() {
    let mut decoder = Decoder::new(100);
    for piece in [": keep-", "alive\n\n:\n", "data: a\n\n: b"] {
        decoder.feed(piece.as_bytes(), |_| ()).expect("it is small");
    }
    assert_eq!(decoder.comments(), 2);
    decoder.feed(b"\n", |_| ()).expect("it is small");
    assert_eq!(decoder.comments(), 3);
    decoder.reset();
    assert_eq!(decoder.comments(), 0);
}

#[test]
fn events_without_data_are_none() {
    assert_eq!(events("id: 1\ndata:\n\nevent: x\n\n\n\ndata\n\ndata: a\n\n"), ["a"]);
    assert_eq!(events("data:\ndata: a\n\n"), ["\na"], "an empty line is one of several");
}

#[test]
fn an_event_counts_when_its_blank_line_has_come() {
    assert!(events("data: a\n").is_empty());
    assert!(events("data: a").is_empty());
}

#[test]
fn a_byte_order_mark_may_lead() {
    assert_eq!(events("\u{feff}data: a\n\n\u{feff}data: b\n\n"), ["a"]);
}

#[test]
fn what_is_too_large_is_said() {
    assert_eq!(in_pieces(format!("data: {}\n\n", "x".repeat(99)).as_bytes(), &[]).expect("it fits")[0].len(), 99);
    assert_eq!(in_pieces(format!("data: {}\n\n", "x".repeat(100)).as_bytes(), &[]), Err(TooLarge));
    assert_eq!(in_pieces(":".repeat(101).as_bytes(), &[]), Err(TooLarge), "a line without an end");
    assert_eq!(in_pieces("data: 123456789\n".repeat(11).as_bytes(), &[]), Err(TooLarge), "many lines");
}

#[test]
fn the_last_complete_events_id_and_the_wait_are_known() {
    let read = |stream: &str| {
        let mut decoder = Decoder::new(2_000);
        decoder.feed(stream.as_bytes(), |_| {}).expect("it fits");
        (decoder.last_id().map(str::to_string), decoder.retry_ms())
    };
    let id = |id: &str| Some(id.to_string());
    assert_eq!(read("id: e-1\nretry: 500\ndata:\n\n"), (id("e-1"), Some(500)), "an event without data counts");
    assert_eq!(read("id: e-1\ndata: a\n\nid: e-2\ndata: b\n"), (id("e-1"), None), "e-2 is not complete");
    assert_eq!(read("id: e-1\n\ndata: a\n\n"), (id("e-1"), None), "it lasts");
    assert_eq!(read("id: e-1\n\nid\n\n"), (None, None), "an empty one takes it back");
    assert_eq!(read("retry: 5x\nretry: -1\nretry:\n\n"), (None, None));
    assert_eq!(read("id: gr\u{fc}n\n\nid: a b\n\n"), (None, None), "no header can hold it");
    assert_eq!(read(&format!("id: {}\n\n", "x".repeat(1_025))), (None, None));
    let mut decoder = Decoder::new(100);
    decoder.feed(b"id: 1\nretry: 5\n\n", |_| {}).expect("it fits");
    decoder.reset();
    assert_eq!((decoder.last_id(), decoder.retry_ms()), (None, None));
}

proptest! {
    #[test]
    fn any_split_gives_the_same(
        input in "(data: ?[a-c]{0,3}|: x|event: m|data)?(\r|\n|\r\n){0,3}(data:[a-c]{0,3}|:|\r|\n){0,12}\n\n",
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        cuts.sort_unstable();
        let one_by_one: Vec<usize> = (0..input.len()).collect();
        let whole = in_pieces(input.as_bytes(), &[]);
        prop_assert_eq!(&in_pieces(input.as_bytes(), &cuts), &whole);
        prop_assert_eq!(&in_pieces(input.as_bytes(), &one_by_one), &whole);
    }
}
