use proptest::prelude::*;

use super::*;

const ID: u64 = 41;

fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn json(status: &str, rest: &str) -> String {
    http(status, "Content-Type: application/json\r\n", &format!(r#"{{"jsonrpc":"2.0",{rest}}}"#))
}

fn stream(events: &str) -> String {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunks: Vec<String> =
        events.as_bytes().chunks(7).map(|c| format!("{:x}\r\n{}\r\n", c.len(), String::from_utf8_lossy(c))).collect();
    format!("{head}{}0\r\n\r\n", chunks.concat())
}

/// Fed in pieces that end at `cuts`, until it has ended; then how much was used in all.
fn in_pieces(bytes: &[u8], cuts: &[usize]) -> (Progress, usize) {
    let mut answer = Answer::default();
    answer.begin(ID);
    let mut begin = 0;
    for &end in cuts.iter().chain([&bytes.len()]) {
        match answer.feed(&bytes[begin..end]) {
            Progress::More => begin = end,
            Progress::Whole { used, said, stays_open } => {
                return (Progress::Whole { used: 0, said, stays_open }, begin + used);
            }
            broken => return (broken, 0),
        }
    }
    match answer.end() {
        broken @ Progress::Broken(_) => (broken, 0),
        whole => (whole, bytes.len()),
    }
}

fn said(text: &str) -> Said {
    let surplus = format!("{text}HTTP/1.1");
    let text = if text.contains("Content-Length") || text.contains("chunked") { &surplus } else { text };
    match in_pieces(text.as_bytes(), &[]) {
        (Progress::Whole { said, .. }, used) => {
            assert!(used == text.len() || used == text.len() - 8, "what follows is not part of it");
            said
        }
        (other, _) => panic!("{text}: {other:?}"),
    }
}

#[test]
fn json_answers_say_what_they_say() {
    assert_eq!(said(&json("200 OK", r#""id":41,"result":{"content":[]}"#)), Said::Ok);
    assert_eq!(said(&json("200 OK", r#""id":41,"result":{"isError":true}"#)), Said::ToolError);
    assert_eq!(said(&json("200 OK", r#""id":41,"error":{"code":-32602,"message":""}"#)), Said::RpcError(-32_602));
    assert_eq!(said(&json("404 No", r#""id":41,"error":{"code":-32601,"message":""}"#)), Said::RpcError(-32_601));
    assert_eq!(said(&json("400 No", r#""error":{"code":-32700,"message":""}"#)), Said::RpcError(-32_700));
    assert_eq!(said(&json("200 OK", r#""id":42,"result":{}"#)), Said::AnotherId(Some(42)));
    assert_eq!(said(&json("200 OK", r#""id":"41","result":{}"#)), Said::AnotherId(None));
    assert_eq!(said(&json("404 No", r#""id":42,"error":{"code":1,"message":""}"#)), Said::HttpError(404));
    assert_eq!(said(&http("200 OK", "", "<html>")), Said::NotJsonRpc);
    assert_eq!(said(&http("202 Accepted", "", "")), Said::NotJsonRpc);
    assert_eq!(said(&http("500 Oops", "", "oops")), Said::HttpError(500));
    assert_eq!(said(&json("500 Oops", r#""id":41,"result":{}"#)), Said::HttpError(500));
}

#[test]
fn only_what_was_not_executed_is_refused() {
    let refusal = |status: &str, header: &str, data: &str| {
        let error = format!(r#"{{"jsonrpc":"2.0","id":41,"error":{{"code":53003,"message":"busy","data":{data}}}}}"#);
        said(&http(status, header, &error))
    };
    let refused = |status, after_us| Said::Refused { status, after_us };
    let both = refusal("503 Busy", "Retry-After: 2\r\n", r#"{"executed":false,"retryAfterMs":740}"#);
    assert_eq!(both, refused(503, 740_000));
    assert_eq!(refusal("429 Quota", "Retry-After: 2\r\n", r#"{"executed":false}"#), refused(429, 2_000_000));
    assert_eq!(refusal("503 Busy", "", r#"{"executed":false}"#), refused(503, 1_000_000));
    assert_eq!(refusal("503 Busy", "", r#"{"executed":false,"retryAfterMs":-1}"#), refused(503, 86_400_000_000));
    let huge = format!(r#"{{"executed":false,"retryAfterMs":{}}}"#, i64::MAX);
    assert_eq!(refusal("503 Busy", "", &huge), refused(503, 86_400_000_000));
    assert_eq!(refusal("503 Busy", "Retry-After: 2\r\n", r#"{"executed":true}"#), Said::HttpError(503));
    assert_eq!(refusal("503 Busy", "Retry-After: 2\r\n", "{}"), Said::HttpError(503));
    assert_eq!(refusal("500 Oops", "", r#"{"executed":false}"#), Said::HttpError(500));
}

#[test]
fn streams_end_with_their_response_or_without() {
    let progress = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"id\":41}}\n\n";
    let response = "data: {\"jsonrpc\":\"2.0\",\"id\":41,\ndata: \"result\":{}}\n\n";
    let other = "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}\n\n";
    assert_eq!(said(&stream(&format!(": hi\n\n{progress}{response}"))), Said::Ok);
    assert_eq!(said(&stream(&format!("{other}{response}"))), Said::Ok);
    assert_eq!(said(&stream(&format!("{response}{other}"))), Said::Ok);
    assert_eq!(said(&stream(other)), Said::AnotherId(Some(7)));
    assert_eq!(said(&stream(progress)), Said::NoResponse);
    assert_eq!(said(&stream("")), Said::NoResponse);
    assert_eq!(said(&stream(response.trim_end())), Said::NoResponse, "an event without its end is none");
    let endless = format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n{response}");
    assert_eq!(said(&endless), Said::Ok, "as long as the connection");
}

#[test]
fn an_early_end_is_told() {
    let cut = |text: &str, at: usize| in_pieces(&text.as_bytes()[..at], &[]).0;
    let good = json("200 OK", r#""id":41,"result":{}"#);
    for at in 0..good.len() {
        assert_eq!(cut(&good, at), Progress::Broken(Broken::CutOff), "{at}");
    }
    let good = stream("data: {\"jsonrpc\":\"2.0\",\"id\":41,\"result\":{}}\n\n");
    let whole = |said| Progress::Whole { used: 0, said, stays_open: false };
    assert_eq!(cut(&good, good.len() - 5), whole(Said::Ok), "the response was there");
    assert_eq!(cut(&good, good.len() - 20), whole(Said::NoResponse));
}

#[test]
fn a_first_100_is_read_over() {
    let good = json("200 OK", r#""id":41,"result":{}"#);
    assert_eq!(said(&format!("HTTP/1.1 100 Continue\r\n\r\n{good}")), Said::Ok);
}

#[test]
fn other_protocols_and_floods_break_off() {
    let first = |text: &str| in_pieces(text.as_bytes(), &[]).0;
    assert_eq!(first("SSH-2.0-hello\r\n\r\n"), Progress::Broken(Broken::NotHttp));
    let flood = "HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n";
    assert_eq!(first(flood), Progress::Broken(Broken::TooLarge), "by the announced length");
    let bad = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello";
    assert_eq!(first(bad), Progress::Broken(Broken::NotHttp));
}

#[test]
fn a_recorded_answer_gives_its_message_and_head() {
    let response = "{\"jsonrpc\":\"2.0\",\"id\":41,\"result\":{}}";
    for text in [stream(&format!("data: {response}\n\n")), http("200 OK", "", response)] {
        let mut answer = Answer::recorded(ID);
        for byte in text.as_bytes() {
            answer.feed(&[*byte]);
        }
        let record = answer.into_record();
        assert_eq!(String::from_utf8_lossy(&record.message), response);
        assert!(text.as_bytes().starts_with(&record.head) && record.head.ends_with(b"\r\n\r\n"));
    }
}

#[test]
fn an_answer_can_be_begun_again() {
    let mut answer = Answer::default();
    let half = stream("data: {\"jsonrpc\":\"2.0\",\"id\":41,\"result\":{}}\n\n");
    answer.begin(ID);
    assert_eq!(answer.feed(&half.as_bytes()[..half.len() / 2]), Progress::More);
    answer.begin(ID);
    let good = json("200 OK", r#""id":41,"result":{}"#);
    assert_eq!(answer.feed(good.as_bytes()), Progress::Whole { used: good.len(), said: Said::Ok, stays_open: true });
}

const QUESTION: &str = r#"{"jsonrpc":"2.0","id":"q-1","method":"roots/list"}"#;

#[test]
fn requests_on_a_stream_are_questions_and_notifications_are_not() {
    let notification = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#;
    let text = stream(&format!("data: {notification}\n\ndata: {QUESTION}\n\n"));
    let mut answer = Answer::default();
    answer.begin(ID);
    assert!(!answer.has_questions());
    // All but the stream's end: the response is still to come.
    assert_eq!(answer.feed(&text.as_bytes()[..text.len() - 5]), Progress::More);
    assert!(answer.has_questions());
    assert_eq!(answer.take_questions(), [QUESTION.as_bytes().into()]);
    assert!(!answer.has_questions() && answer.take_questions().is_empty());
    let json = http("200 OK", "", QUESTION);
    answer.begin(ID);
    assert!(matches!(answer.feed(json.as_bytes()), Progress::Whole { said: Said::NotJsonRpc, .. }));
    assert!(!answer.has_questions(), "the answer itself is no question");
}

#[test]
fn no_question_is_left_out_in_silence() {
    let head = stream("");
    let head = &head[..head.find("\r\n\r\n").expect("a head") + 4];
    let event = format!("data: {QUESTION}\n\n");
    let chunks = |count: usize| format!("{:x}\r\n{}\r\n", event.len() * count, event.repeat(count));
    let mut answer = Answer::default();
    answer.begin(ID);
    assert_eq!(answer.feed(head.as_bytes()), Progress::More);
    assert_eq!(answer.feed(chunks(4_096).as_bytes()), Progress::More);
    assert_eq!(answer.take_questions().len(), 4_096);
    assert_eq!(answer.feed(chunks(4_097).as_bytes()), Progress::Broken(Broken::TooLarge));
}

#[test]
fn a_result_that_asks_for_input_is_kept() {
    let result = r#"{"jsonrpc":"2.0","id":41,"result":{"resultType":"input_required","requestState":"s"}}"#;
    for text in [http("200 OK", "", result), stream(&format!("data: {result}\n\n"))] {
        for step in [1, 5, text.len()] {
            let mut answer = Answer::default();
            answer.begin(ID);
            let mut last = Progress::More;
            for piece in text.as_bytes().chunks(step) {
                last = answer.feed(piece);
            }
            assert!(matches!(last, Progress::Whole { said: Said::InputRequired, stays_open: true, .. }), "{last:?}");
            assert_eq!(String::from_utf8_lossy(answer.message()), result);
        }
    }
}

#[test]
fn a_stream_that_ends_early_says_where_it_goes_on() {
    let mut answer = Answer::default();
    answer.begin(ID);
    let text = stream("id: e-7\nretry: 500\ndata:\n\n");
    assert!(matches!(answer.feed(text.as_bytes()), Progress::Whole { said: Said::NoResponse, .. }));
    assert_eq!((answer.last_event_id(), answer.retry_ms()), (Some("e-7"), Some(500)));
    answer.begin(ID);
    assert_eq!((answer.last_event_id(), answer.retry_ms()), (None, None));
}

#[test]
fn a_resumed_stream_is_whole_with_its_response() {
    let response = "data: {\"jsonrpc\":\"2.0\",\"id\":41,\"result\":{}}\n\n";
    let whole = stream(response);
    let open = &whole[..whole.len() - 5];
    let fed = |resumed: bool, text: &str| {
        let mut answer = Answer::default();
        if resumed {
            answer.begin_resumed(ID)
        } else {
            answer.begin(ID)
        }
        answer.feed(text.as_bytes())
    };
    assert_eq!(fed(true, open), Progress::Whole { used: open.len(), said: Said::Ok, stays_open: false });
    assert_eq!(fed(true, &whole), Progress::Whole { used: whole.len(), said: Said::Ok, stays_open: true });
    assert_eq!(fed(false, open), Progress::More);
    let other = stream("data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}\n\n");
    assert_eq!(fed(true, &other[..other.len() - 5]), Progress::More, "not our response");
    assert!(matches!(fed(true, &http("405 No", "", "")), Progress::Whole { said: Said::HttpError(405), .. }));
}

#[test]
fn a_response_is_known_before_its_stream_ends() {
    let event = |id: u64| format!("data: {{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}\n\n");
    let mut answer = Answer::default();
    answer.begin(ID);
    let (other, ours) = (stream(&event(7)), stream(&event(ID)));
    assert_eq!(answer.feed(&other.as_bytes()[..other.len() - 5]), Progress::More);
    assert_eq!(answer.response(), None, "not ours");
    answer.begin(ID);
    assert_eq!(answer.feed(&ours.as_bytes()[..ours.len() - 5]), Progress::More);
    assert_eq!(answer.response(), Some(Said::Ok));
    answer.begin(ID);
    assert_eq!(answer.response(), None);
}

fn answers() -> impl Strategy<Value = String> {
    let bodies = prop_oneof![
        Just(r#""id":41,"result":{"content":[{"type":"text","text":"é"}]}"#),
        Just(r#""id":42,"result":{}"#),
        Just(r#""id":41,"error":{"code":53003,"message":"x","data":{"executed":false,"retryAfterMs":5}}"#),
        Just("not json"),
    ];
    (bodies, 0..5usize).prop_map(|(rest, how)| match how {
        0 => json("200 OK", rest),
        1 => json("503 Busy", rest),
        2 => stream(&format!(": x\n\ndata: {{\"jsonrpc\":\"2.0\",{}}}\n\n", rest.replace('é', "e"))),
        3 => format!("HTTP/1.1 100 Continue\r\n\r\n{}", json("200 OK", rest)),
        _ => format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{{\"jsonrpc\":\"2.0\",{rest}}}"),
    })
}

proptest! {
    #[test]
    fn what_was_read_before_changes_nothing(texts in proptest::collection::vec(answers(), 1..8)) {
        let mut used = Answer::default();
        for text in texts {
            let mut fresh = Answer::default();
            used.begin(ID);
            fresh.begin(ID);
            prop_assert_eq!(used.feed(text.as_bytes()), fresh.feed(text.as_bytes()));
            prop_assert_eq!(used.head(), fresh.head());
        }
    }

    #[test]
    fn any_split_gives_the_same(text in answers(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6), spoil in proptest::option::of((any::<prop::sample::Index>(), any::<u8>()))) {
        let mut bytes = text.into_bytes();
        if let Some((at, byte)) = spoil {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let one_by_one: Vec<usize> = (0..bytes.len()).collect();
        let whole = in_pieces(&bytes, &[]);
        prop_assert_eq!(in_pieces(&bytes, &cuts), whole);
        prop_assert_eq!(in_pieces(&bytes, &one_by_one), whole);
    }
}
