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

#[tokio::test]
async fn all_passes_until_the_weather_changes() {
    let (weather, _) = watch::channel(Weather::default());
    let address = front(echo().await, weather.clone()).await.address.expect("it listens");
    let mut client = TcpStream::connect(address).await.expect("it accepts");
    assert_eq!(said_back(&mut client, b"hello").await.expect("fair weather"), b"hello");
    let long = vec![7; 3_000_000];
    let (mut reading, mut writing) = client.split();
    let mut back = vec![0; long.len()];
    let (wrote, read) = tokio::join!(writing.write_all(&long), reading.read_exact(&mut back));
    assert!(wrote.is_ok() && read.is_ok() && back == long, "whatever its length");

    weather.send_replace(Weather { then_nothing: Some(2), ..Weather::default() });
    client.write_all(b"abc").await.expect("it still hears");
    let mut two = [0; 2];
    timeout(SOON, client.read_exact(&mut two)).await.expect("in time").expect("two bytes pass");
    assert!(timeout(Duration::from_millis(200), client.read(&mut two)).await.is_err(), "and then nothing");

    weather.send_replace(Weather { then_reset: Some(1), ..Weather::default() });
    let mut other = TcpStream::connect(address).await.expect("it accepts");
    let cut = timeout(SOON, said_back(&mut other, b"abc")).await.expect("in time").unwrap_err();
    assert_eq!(cut.kind(), std::io::ErrorKind::ConnectionReset);

    weather.send_replace(Weather::default());
    let mut last = TcpStream::connect(address).await.expect("it accepts");
    assert_eq!(said_back(&mut last, b"fair again").await.expect("fair weather"), b"fair again");
}

#[tokio::test]
async fn who_finds_nobody_behind_it_is_sent_away() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("loopback").local_addr().expect("it was bound");
    let (weather, _) = watch::channel(Weather::default());
    let address = front(free, weather).await.address.expect("it listens");
    let mut client = TcpStream::connect(address).await.expect("the kernel accepts");
    let end = timeout(SOON, client.read(&mut [0; 1])).await.expect("in time");
    assert!(matches!(end, Err(_) | Ok(0)), "{end:?}");
}
