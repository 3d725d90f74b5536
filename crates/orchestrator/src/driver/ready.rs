use std::time::Duration;

use erlmcp_load::clock::RunClock;
use tokio::time::{sleep, timeout};

use crate::collector::Page;

/// A question that is not answered by then is asked again, on another connection.
const TRY: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_millis(10);

/// When a replica's /ready answered 200; None: it did not within that time. A killed replica's listener lives on with its
/// supervisor, so a question may wait there until the next process answers it.
pub(super) async fn await_ready(page: &Page, within: Duration, clock: &RunClock) -> Option<u64> {
    let ready = async {
        loop {
            if page.get(TRY).await.is_ok_and(|answered| answered.status == 200) {
                return clock.now_us();
            }
            sleep(EVERY).await;
        }
    };
    timeout(within, ready).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collector::Way;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn it_waits_for_the_first_good_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("it is bound");
        let serving = tokio::spawn(async move {
            for status in ["503 Service Unavailable", "503 Service Unavailable", "200 OK"] {
                let (mut stream, _) = listener.accept().await.expect("one comes");
                let _ = stream.read(&mut [0; 1_024]).await;
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.expect("it listens");
            }
        });
        let clock = RunClock::new(erlmcp_load::clock::monotonic_ns());
        let page = Way::default().page(address, "/ready");
        let at_us = await_ready(&page, Duration::from_secs(20), &clock).await.expect("the third is good");
        assert!(at_us >= 2 * EVERY.as_micros() as u64 && at_us <= clock.now_us());
        serving.await.expect("all three were asked for");
        assert_eq!(await_ready(&page, Duration::from_millis(50), &clock).await, None, "nobody is there any more");
    }
}
