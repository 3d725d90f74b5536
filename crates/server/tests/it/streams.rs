//! Subscription streams over real sockets.

use erlmcp_server::{Change, Limits};

use crate::client::{Client, Texts, eventually, start};

#[test]
fn a_stream_lives_and_ends_in_order() {
    let (server, address) = start(Limits { stream_comment_ms: 300, ..Limits::default() });
    let (mut client, texts) = (Client::connect(address), Texts(address));
    client.send(texts.listen());
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("\r\nContent-Type: text/event-stream\r\n"), "{head}");
    let acknowledged = client.chunk();
    assert!(acknowledged.contains("notifications/subscriptions/acknowledged"), "{acknowledged}");
    assert_eq!(client.chunk(), ": keep-alive\n\n");
    server.notify(Change::ToolsList);
    let mut changed = client.chunk();
    while changed.starts_with(':') {
        changed = client.chunk();
    }
    assert!(changed.contains("notifications/tools/list_changed"), "{changed}");
    assert_eq!(server.snapshot().streams, 1);
    server.drain();
    let mut end = client.chunk();
    while end.starts_with(':') {
        end = client.chunk();
    }
    assert!(end.contains("\"id\":7,\"result\":{\"resultType\":\"complete\""), "{end}");
    assert_eq!(client.chunk(), "");
    assert_eq!(client.rest(), "");
    assert_eq!(server.join().cut, 0);
}

#[test]
fn a_client_that_goes_ends_its_stream() {
    let (server, address) = start(Limits::default());
    let mut client = Client::connect(address);
    client.send(Texts(address).listen());
    client.head();
    assert_eq!(server.snapshot().streams, 1);
    drop(client);
    eventually("the stream is gone", || server.snapshot().streams == 0);
    crate::client::stop(server);
}
