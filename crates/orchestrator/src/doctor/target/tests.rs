use super::*;
use crate::config::tests::plain;

fn readings() -> Readings {
    Readings { descriptors: Some((20_000, 20_000)), ..Readings::default() }
}

fn of(connections: u64, status: Option<&str>, cluster: Option<(u64, u16)>) -> Option<Finding> {
    let run = StressConfig { connections: Some(connections), ..plain() };
    let status = status.map(|body| Status::parse(body.as_bytes()).expect("one of ours"));
    room(&run, status.as_ref(), Held { cluster, is_colocated: true }, &readings())
}

#[test]
fn a_lone_server_says_how_many_it_takes() {
    let status = Some(r#"{"server":"erlmcp-server","cluster":null,"connections_limit":19000}"#);
    assert_eq!(of(19_000, status, None).map(|finding| finding.weight), Some(Weight::Ok));
    let finding = of(19_001, status, None).expect("too few");
    let complaint = finding.complaint.expect("a complaint");
    assert_eq!((finding.weight, complaint.id), (Weight::Warning, "connection-limit"));
    assert!(complaint.mend.contains(&"erlmcp serve --max-connections 19001".to_string()), "{complaint:?}");
    assert_eq!(of(1, Some(r#"{"server":"erlmcp-server","cluster":null}"#), None), None, "it does not say");
    assert_eq!(of(1, None, None), None);
}

#[test]
fn a_cluster_has_the_descriptors_of_its_replicas() {
    assert_eq!(of(2 * 19_488, None, Some((2, 8080))).map(|finding| finding.weight), Some(Weight::Ok));
    let finding = of(2 * 19_488 + 1, None, Some((2, 8080))).expect("too few");
    let complaint = finding.complaint.expect("a complaint");
    assert_eq!((finding.weight, complaint.id), (Weight::Stops, "connection-limit"));
    assert_eq!(complaint.mend, ["erlmcp cluster scale 3 --port 8080"]);
}
