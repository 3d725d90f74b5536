use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;

const SOON: Duration = Duration::from_secs(20);

/// Says back what it hears.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut reading, mut writing) = stream.split();
                let _ = tokio::io::copy(&mut reading, &mut writing).await;
            });
        }
    });
    address
}

async fn said_back(client: &mut TcpStream, text: &[u8]) -> std::io::Result<Vec<u8>> {
    client.write_all(text).await?;
    let mut back = vec![0; text.len()];
    client.read_exact(&mut back).await?;
    Ok(back)
}

fn proxy() -> Proxy {
    Proxy::new(100)
}

async fn front(proxy: &mut Proxy, target: SocketAddr) -> SocketAddr {
    let reply = proxy.answer(Request::Front { target }).await;
    reply.address.unwrap_or_else(|| panic!("{reply:?}"))
}

/// A weather at these addresses.
async fn set(proxy: &mut Proxy, fronts: &[SocketAddr], weather: Weather, at_most_ms: u64) {
    let reply = proxy.answer(Request::Set { fronts: fronts.to_vec(), weather, at_most_ms }).await;
    assert_eq!(reply.error, None);
}

const LONG_MS: u64 = 60_000;

#[tokio::test]
async fn all_passes_until_the_weather_changes() {
    let mut proxy = proxy();
    let address = front(&mut proxy, echo().await).await;
    let mut client = TcpStream::connect(address).await.expect("it accepts");
    assert_eq!(said_back(&mut client, b"hello").await.expect("fair weather"), b"hello");
    let long = vec![7; 3_000_000];
    let (mut reading, mut writing) = client.split();
    let mut back = vec![0; long.len()];
    let (wrote, read) = tokio::join!(writing.write_all(&long), reading.read_exact(&mut back));
    assert!(wrote.is_ok() && read.is_ok() && back == long, "whatever its length");

    set(&mut proxy, &[address], Weather { then_nothing: Some(2), ..Weather::default() }, LONG_MS).await;
    client.write_all(b"abc").await.expect("it still hears");
    let mut two = [0; 2];
    timeout(SOON, client.read_exact(&mut two)).await.expect("in time").expect("two bytes pass");
    assert!(timeout(Duration::from_millis(200), client.read(&mut two)).await.is_err(), "and then nothing");

    set(&mut proxy, &[address], Weather { then_reset: Some(1), ..Weather::default() }, LONG_MS).await;
    let hole = timeout(SOON, client.read(&mut two)).await.expect("in time");
    assert!(hole.is_err(), "what has a hole in it does not go on: {hole:?}");
    let mut other = TcpStream::connect(address).await.expect("it accepts");
    let cut = timeout(SOON, said_back(&mut other, b"abc")).await.expect("in time").unwrap_err();
    assert_eq!(cut.kind(), std::io::ErrorKind::ConnectionReset);

    set(&mut proxy, &[address], Weather::default(), LONG_MS).await;
    let mut last = TcpStream::connect(address).await.expect("it accepts");
    assert_eq!(said_back(&mut last, b"fair again").await.expect("fair weather"), b"fair again");
}

#[tokio::test]
async fn each_address_has_a_weather_of_its_own() {
    let mut proxy = proxy();
    let (one, other) = (front(&mut proxy, echo().await).await, front(&mut proxy, echo().await).await);
    assert_ne!(one, other);
    let nothing = Weather { then_nothing: Some(0), ..Weather::default() };
    set(&mut proxy, &[one], nothing, LONG_MS).await;
    let mut spared = TcpStream::connect(other).await.expect("it accepts");
    assert_eq!(said_back(&mut spared, b"hello").await.expect("fair weather"), b"hello");
    let mut hit = TcpStream::connect(one).await.expect("it accepts");
    assert!(timeout(Duration::from_millis(200), said_back(&mut hit, b"hello")).await.is_err());

    set(&mut proxy, &[one, other], nothing, 100).await;
    let fair_again = async {
        loop {
            let mut client = TcpStream::connect(one).await.expect("it accepts");
            if matches!(timeout(Duration::from_millis(100), said_back(&mut client, b"a")).await, Ok(Ok(_))) {
                return;
            }
        }
    };
    timeout(SOON, fair_again).await.expect("it clears up by itself");
    let reply = proxy.answer(Request::Set { fronts: vec![echo().await], weather: nothing, at_most_ms: 1 }).await;
    assert!(reply.error.is_some_and(|error| error.contains("the proxy is not at")));
}

#[tokio::test]
async fn who_finds_no_room_waits_and_gets_it() {
    let mut proxy = Proxy::new(1);
    let address = front(&mut proxy, echo().await).await;
    let mut first = TcpStream::connect(address).await.expect("it accepts");
    assert_eq!(said_back(&mut first, b"a").await.expect("there is room"), b"a");
    let mut second = TcpStream::connect(address).await.expect("the kernel accepts");
    assert!(timeout(Duration::from_millis(200), said_back(&mut second, b"b")).await.is_err(), "there is room for one");
    drop(first);
    let mut back = [0; 1];
    timeout(SOON, second.read_exact(&mut back)).await.expect("in time").expect("it was only late");
}

#[tokio::test]
async fn who_finds_nobody_behind_it_is_sent_away() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("loopback").local_addr().expect("it was bound");
    let mut proxy = proxy();
    let address = front(&mut proxy, free).await;
    let mut client = TcpStream::connect(address).await.expect("the kernel accepts");
    let end = timeout(SOON, client.read(&mut [0; 1])).await.expect("in time");
    assert!(matches!(end, Err(_) | Ok(0)), "{end:?}");
}
