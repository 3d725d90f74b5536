use super::*;
use erlmcp_protocol::client::request::{Ask, Peer};
use erlmcp_protocol::era::Version;
use proto::value::Of;

pub(crate) fn step(class: u32, arguments: &str, think_us: (u64, u64)) -> proto::Step {
    let request = proto::Request {
        method: "tools/call".into(),
        name: "echo".into(),
        arguments: arguments.into(),
        with_progress: false,
    };
    proto::Step { request: Some(request), class, think_min_us: think_us.0, think_max_us: think_us.1 }
}

/// Nine times out of ten one request; else three, with a think of half a second to a second before the last two.
pub(crate) fn mixed() -> proto::Workload {
    let text = |value: u16| format!(r#"{{"text":"{}"}}"#, erlmcp_protocol::client::gaps::gap(value, true));
    let think = (500_000, 1_000_000);
    proto::Workload {
        steps: vec![
            step(1, &text(0), (0, 0)),
            step(2, &text(1), (0, 0)),
            step(3, &text(2), think),
            step(3, &text(2), think),
        ],
        sessions: vec![
            proto::Session { weight: 9, first: 0, steps: 1 },
            proto::Session { weight: 1, first: 1, steps: 3 },
        ],
        values: vec![
            proto::Value { of_session: false, of: Some(Of::Letters(proto::Span { from: 1, to: 50 })) },
            proto::Value { of_session: false, of: Some(Of::Number(true)) },
            proto::Value { of_session: true, of: Some(Of::Integer(proto::Span { from: 0, to: 1_000_000 })) },
        ],
        trace: None,
    }
}

fn rendered(workload: &proto::Workload, seed: u64, agent: u32) -> Result<Workload, BadWorkload> {
    let peer = Peer { authority: "localhost", path: "/mcp", headers: &[], version: Version::NEWEST, session: None };
    Workload::new(workload, (seed, agent), |request| {
        let arguments = Some(request.arguments.as_str());
        let ask = Ask { method: &request.method, name: Some(&request.name), arguments, ..Ask::default() };
        Gapped::new(&peer, &ask).map_err(|why| BadWorkload::Step { label: request.name.clone(), why: why.to_string() })
    })
}

fn good(seed: u64, agent: u32) -> Workload {
    rendered(&mixed(), seed, agent).expect("a workload")
}

fn text(workload: &Workload, step: u16, session: u32) -> serde_json::Value {
    let mut out = Vec::new();
    workload.write((step, session), 1, "", &mut out);
    let text = String::from_utf8(out).expect("text");
    let (_, body) = text.split_once("\r\n\r\n").expect("a head");
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    body["params"]["arguments"]["text"].clone()
}

#[test]
fn sessions_come_by_their_weights_and_the_seed() {
    let drawn = |seed| {
        let workload = good(seed, 0);
        (0..10_000).map(|number| workload.drawn(number)).collect::<Vec<u16>>()
    };
    let long = drawn(7).iter().filter(|session| **session == 1).count();
    assert!((800..1_200).contains(&long), "{long} of 10,000");
    assert_eq!(drawn(7), drawn(7));
    assert_ne!(drawn(7), drawn(8));
    let workload = good(7, 0);
    assert!((workload.mean_steps() - 1.2).abs() < 1e-9);
    assert_eq!(workload.longest_us(), 2_000_000);
}

#[test]
fn thinks_are_drawn_between_their_bounds_and_planned_ahead() {
    let workload = good(7, 0);
    for number in 0..200 {
        let begun = Walk { at_us: 1_000, number, place: Some(3), session: 1, position: 0 };
        let steps: Vec<Walk> = std::iter::successors(workload.next(&begun), |walk| workload.next(walk)).collect();
        assert_eq!(steps.len(), 3);
        assert_eq!(steps[0].at_us, 1_000);
        for pair in steps.windows(2) {
            assert!((500_000..=1_000_000).contains(&(pair[1].at_us - pair[0].at_us)));
        }
        assert_eq!(steps.iter().map(|walk| workload.step_of(walk)).collect::<Vec<_>>(), [(1, 2), (2, 3), (3, 3)]);
        let again: Vec<Walk> = std::iter::successors(workload.next(&begun), |walk| workload.next(walk)).collect();
        assert_eq!(steps, again);
    }
}

#[test]
fn values_are_of_the_seed_the_agent_and_the_request() {
    let workload = good(7, 0);
    assert_eq!(text(&workload, 0, 5), text(&good(7, 0), 0, 5));
    let letters = |workload: &Workload| (0..50).map(|session| text(workload, 0, session)).collect::<Vec<_>>();
    assert_ne!(letters(&workload), letters(&good(8, 0)));
    assert_ne!(letters(&workload), letters(&good(7, 1)));
    // Of a session: the same in its steps, another one in another session.
    assert_eq!(text(&workload, 2, 5), text(&workload, 3, 5));
    assert_ne!(text(&workload, 2, 5), text(&workload, 2, 6));
    // A number is nobody else's.
    let numbers: std::collections::BTreeSet<u64> = [&workload, &good(7, 1)]
        .into_iter()
        .flat_map(|workload| (0..100).map(|session| text(workload, 1, session).as_u64().expect("a number")))
        .collect();
    assert_eq!(numbers.len(), 200);
}

#[test]
fn agents_draw_nothing_of_each_other_however_many_steps_there_are() {
    let arguments = format!(r#"{{"text":"{}"}}"#, erlmcp_protocol::client::gaps::gap(0, true));
    let workload = proto::Workload {
        steps: (0..40).map(|_| step(1, &arguments, (0, 0))).collect(),
        sessions: vec![proto::Session { weight: 1, first: 0, steps: 40 }],
        values: vec![proto::Value { of_session: false, of: Some(Of::Integer(proto::Span { from: 0, to: i64::MAX })) }],
        trace: None,
    };
    let of_agent = |agent| {
        let workload = rendered(&workload, 7, agent).expect("a workload");
        (0..40).map(move |step| text(&workload, step, 5).to_string())
    };
    let drawn: std::collections::BTreeSet<String> = (0..4).flat_map(of_agent).collect();
    assert_eq!(drawn.len(), 4 * 40);
}

#[test]
fn what_does_not_hold_together_is_refused() {
    let change = |change: fn(&mut proto::Workload)| {
        let mut workload = mixed();
        change(&mut workload);
        rendered(&workload, 1, 0).err()
    };
    assert_eq!(change(|_| {}), None);
    assert!(change(|workload| workload.sessions[1].steps = 4).is_some());
    assert!(change(|workload| workload.sessions.clear()).is_some());
    assert!(change(|workload| workload.steps[0].request = None).is_some());
    assert!(change(|workload| workload.steps[0].class = 256).is_some());
    assert!(change(|workload| workload.values[0].of = None).is_some());
    let trace = |sessions: Vec<u32>| proto::Trace { after_us: vec![0, 1], sessions, period_us: 5 };
    assert!(rendered(&proto::Workload { trace: Some(trace(vec![0, 2])), ..mixed() }, 1, 0).is_err());
    assert!(rendered(&proto::Workload { trace: Some(trace(vec![0])), ..mixed() }, 1, 0).is_err());
    assert!(rendered(&proto::Workload { trace: Some(trace(vec![0, 1])), ..mixed() }, 1, 0).is_ok());
    let nothing = proto::Trace { after_us: vec![], sessions: vec![], period_us: 5 };
    assert!(rendered(&proto::Workload { trace: Some(nothing), ..mixed() }, 1, 0).is_ok(), "others have it all");
}
