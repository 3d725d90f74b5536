//! Servers that want the tester to hang, to grow, or to be led elsewhere. Each of their answers has a named end.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::server::{Target, Vice};
use super::verdicts;
use crate::finished::{Finished, erlmcp};

/// What is sent in place of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trick {
    HeadersWithoutEnd,
    HeaderWithoutEnd,
    BodyWithoutEnd,
    /// Keep-alives and no event.
    StreamWithoutEnd,
    /// One byte a second.
    Dripping,
    /// Announced, and not sent.
    TenGigabytes,
    /// Compressed, though nobody asked for it.
    Gzip,
    /// A size with a sign.
    BadChunks,
    /// A length beside chunks.
    TwoFramings,
    Redirect(SocketAddr),
    AnotherId,
}

/// Much more than the tester takes; who has not closed by then is held up no longer.
const MUCH: usize = 64 << 20;
const LONG: Duration = Duration::from_secs(60);

/// Nobody is there: a redirect to it that is followed is a failure to connect.
pub(super) fn in_turn(number: u64) -> Trick {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    let tricks = [
        Trick::HeadersWithoutEnd,
        Trick::HeaderWithoutEnd,
        Trick::BodyWithoutEnd,
        Trick::StreamWithoutEnd,
        Trick::Dripping,
        Trick::TenGigabytes,
        Trick::Gzip,
        Trick::BadChunks,
        Trick::TwoFramings,
        Trick::Redirect(nowhere),
        Trick::AnotherId,
    ];
    tricks[(number % tricks.len() as u64) as usize]
}

/// Plays it on a connection until the other side has had enough. True where the answer is whole, so that another request
/// may come.
pub(super) async fn play(trick: Trick, stream: &mut TcpStream) -> std::io::Result<bool> {
    const JSON: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    const GOOD: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    let whole = |more: &str, body: &[u8]| {
        let head = format!("{JSON}{more}Content-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    };
    let (start, piece, pause): (Vec<u8>, Vec<u8>, Duration) = match trick {
        Trick::HeadersWithoutEnd => (JSON.into(), b"X-More: of them\r\n".repeat(1_000), Duration::ZERO),
        Trick::HeaderWithoutEnd => ([JSON, "X-Long: "].concat().into(), b"a".repeat(16_384), Duration::ZERO),
        Trick::BodyWithoutEnd => {
            let chunk = [b"4000\r\n".as_slice(), &b"a".repeat(16_384), b"\r\n"].concat();
            ([JSON, "Transfer-Encoding: chunked\r\n\r\n"].concat().into(), chunk, Duration::ZERO)
        }
        Trick::StreamWithoutEnd => (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
            b"e\r\n: keep-alive\n\n\r\n".to_vec(),
            Duration::from_millis(100),
        ),
        Trick::Dripping => (JSON.into(), b"X".to_vec(), Duration::from_secs(1)),
        Trick::TenGigabytes => {
            ([JSON, "Content-Length: 10000000000\r\n\r\n{"].concat().into(), Vec::new(), Duration::from_secs(1))
        }
        Trick::Gzip => {
            let bomb = [b"\x1f\x8b\x08\0".as_slice(), &[0xff; 1_000]].concat();
            (whole("Content-Encoding: gzip\r\n", &bomb), Vec::new(), Duration::from_secs(1))
        }
        Trick::BadChunks => {
            let chunks = format!("Transfer-Encoding: chunked\r\n\r\n+{:x}\r\n{GOOD}\r\n0\r\n\r\n", GOOD.len());
            ([JSON, &chunks].concat().into(), Vec::new(), Duration::from_secs(1))
        }
        Trick::TwoFramings => {
            (whole("Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"), Vec::new(), Duration::from_secs(1))
        }
        Trick::Redirect(to) => {
            let head = format!("HTTP/1.1 307 Elsewhere\r\nLocation: http://{to}/mcp\r\nContent-Length: 0\r\n\r\n");
            (head.into(), Vec::new(), Duration::from_secs(1))
        }
        Trick::AnotherId => {
            (whole("", GOOD.replace(":1,", ":999999999999,").as_bytes()), Vec::new(), Duration::from_secs(1))
        }
    };
    stream.write_all(&start).await?;
    if matches!(trick, Trick::Gzip | Trick::Redirect(_) | Trick::AnotherId) {
        return Ok(true);
    }
    let until = tokio::time::Instant::now() + LONG;
    let mut sent = 0;
    let mut closed = [0; 1];
    while sent < MUCH && tokio::time::Instant::now() < until {
        stream.write_all(&piece).await?;
        sent += piece.len();
        tokio::select! {
            // Whatever comes, a further request or the end: it is left alone, and the connection with it.
            _ = stream.peek(&mut closed), if !pause.is_zero() => return Ok(false),
            () = tokio::time::sleep(pause) => {}
        }
    }
    Ok(false)
}

/// The most memory that the process had, as long as it could be asked.
fn peak_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1_024)
}

/// `erlmcp discover` on a server that answers everything so, its peak of memory, and how long it took.
fn discover(trick: Trick) -> (Finished, u64, Duration) {
    let target = Target::start(Vice::Plays(trick));
    let began = Instant::now();
    let started = erlmcp(&["discover", &target.url(), "--keep-alive-wait", "0s", "-H", "X-Secret: s3cret"]);
    let (pid, peak) = (started.pid(), Arc::new(AtomicU64::new(0)));
    let seen = Arc::clone(&peak);
    let watch = std::thread::spawn(move || {
        while let Some(bytes) = peak_bytes(pid) {
            seen.fetch_max(bytes, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let finished = started.end();
    watch.join().expect("it only looks");
    (finished, peak.load(Ordering::SeqCst), began.elapsed())
}

#[test]
fn a_hostile_server_is_told_of_in_one_sentence() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").expect("a free port");
    elsewhere.set_nonblocking(true).expect("it can be set");
    let to = elsewhere.local_addr().expect("it is bound");
    let cases = [
        (Trick::HeadersWithoutEnd, "larger than"),
        (Trick::HeaderWithoutEnd, "larger than"),
        (Trick::BodyWithoutEnd, "larger than"),
        (Trick::TenGigabytes, "larger than"),
        (Trick::StreamWithoutEnd, "did not answer within"),
        (Trick::Dripping, "did not answer within"),
        (Trick::Gzip, "not in MCP"),
        (Trick::BadChunks, "does not speak HTTP/1.1"),
        (Trick::TwoFramings, "does not speak HTTP/1.1"),
        (Trick::Redirect(to), "redirects to"),
        (Trick::AnotherId, "not in MCP"),
    ];
    std::thread::scope(|scope| {
        for (trick, words) in cases {
            scope.spawn(move || {
                let (finished, peak, took) = discover(trick);
                assert_eq!(finished.code, 1, "{trick:?}: {}", finished.said());
                assert!(finished.errors.contains(words), "{trick:?}: {}", finished.said());
                assert_eq!((finished.errors.lines().count(), finished.output.as_str()), (1, ""), "{trick:?}");
                assert!(!finished.errors.contains("s3cret"), "{trick:?}");
                assert!(peak < 256 << 20, "{trick:?}: {peak} bytes");
                // Ten seconds a request are its patience; the machine may have other things to do.
                assert!(took < Duration::from_secs(120), "{trick:?}: {took:?}");
            });
        }
    });
    assert!(elsewhere.accept().is_err(), "the redirect was followed");
}

#[test]
fn among_good_answers_each_hostile_one_has_its_fate() {
    let finished = verdicts::run(Vice::TurnsHostile(30), &[]);
    assert_eq!(finished.verdict("sla.error_rate_percent"), "fail", "{}", finished.check("sla.error_rate_percent"));
    let journal = std::fs::read_to_string(finished.results().join("journal.jsonl")).expect("a journal");
    for cause in [
        "answer is too large",
        "no answer within the timeout",
        "answer is not HTTP",
        "answer is not JSON-RPC",
        "http 307",
        "another id",
    ] {
        assert!(journal.contains(cause), "no request ended with {cause:?}");
    }
    let rows = journal.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let peaks = rows.filter(|row| row["row"] == "agent").filter_map(|row| row["rss_bytes"].as_u64());
    let peak = peaks.max().expect("agents tell their memory");
    assert!(peak < 1 << 30, "an agent had {peak} bytes");
}
