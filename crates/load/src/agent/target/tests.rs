use super::*;

fn setup() -> proto::Setup {
    proto::Setup {
        endpoints: vec![proto::Endpoint { replica: 3, address: "127.0.0.13:8080".into() }],
        authority: "localhost:8080".into(),
        path: "/mcp".into(),
        era: "auto".into(),
        ..proto::Setup::default()
    }
}

#[test]
fn a_setup_is_taken_over() {
    let target = Target::of(&setup()).expect("nothing is wrong with it");
    assert_eq!(target.endpoints, [(3, "127.0.0.13:8080".parse().expect("an address"))]);
    assert_eq!(target.assumed().version, Version::V20260728);
    let legacy = Target::of(&proto::Setup { era: "legacy".into(), ..setup() }).expect("fine");
    assert_eq!(legacy.assumed().version, Version::V20251125);
}

#[test]
fn a_wrong_one_is_told_in_a_sentence() {
    let wrong = |setup: proto::Setup| Target::of(&setup).expect_err("it is wrong").to_string();
    let address = vec![proto::Endpoint { replica: 1, address: "localhost:80".into() }];
    assert!(wrong(proto::Setup { endpoints: address, ..setup() }).contains("localhost:80"));
    assert!(wrong(proto::Setup { era: "future".into(), ..setup() }).contains("future"));
    let pem = proto::Setup { tls: true, ca_pem: "no certificate".into(), ..setup() };
    assert!(wrong(pem).contains("root certificates"));
}

#[test]
fn the_host_is_what_stands_before_the_port() {
    let hosts = ["localhost:8080", "localhost", "[::1]:443", "[::1]", "10.0.0.1:1", "a.example"].map(host_of);
    assert_eq!(hosts, ["localhost", "localhost", "[::1]", "[::1]", "10.0.0.1", "a.example"]);
}
