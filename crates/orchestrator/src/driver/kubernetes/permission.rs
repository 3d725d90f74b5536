//! What the account may do, as the API itself says, before anything is done.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::api::Api;
use crate::fault::Kind;

pub(super) const NOTHING_ELSE: &str = "the driver kubernetes kills pods and cuts them off, and nothing else";
const ASKED: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// Something that may be done or not: a verb, a group of the API ("" for its core), a resource of it, and which one ("" for any).
pub(super) type Deed<'a> = (&'static str, &'static str, &'static str, &'a str);

/// Kinds of faults that are not made so, with the reason.
pub(super) async fn lacks(api: &Api) -> BTreeMap<Kind, String> {
    const CUTTING: [Deed<'_>; 4] = [
        ("patch", "", "pods", ""),
        ("list", "networking.k8s.io", "networkpolicies", ""),
        ("create", "networking.k8s.io", "networkpolicies", ""),
        ("delete", "networking.k8s.io", "networkpolicies", ""),
    ];
    let mut lacks = BTreeMap::new();
    for kind in Kind::ALL.into_iter().filter(|kind| !kind.is_of_clients()) {
        let why = match kind {
            Kind::Kill => may(api, &[("delete", "", "pods", "")]).await.err(),
            Kind::Partition => may(api, &CUTTING).await.err(),
            Kind::Pause => Some("a pod cannot be paused through the API of Kubernetes".into()),
            _ => Some(NOTHING_ELSE.into()),
        };
        lacks.extend(why.map(|why| (kind, why)));
    }
    lacks
}

/// # Errors
/// Which of these the account may not do, as a sentence.
pub(super) async fn may(api: &Api, deeds: &[Deed<'_>]) -> Result<(), String> {
    let namespace = &api.access.namespace;
    for (verb, group, resource, name) in deeds {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let about = json!({"namespace": namespace, "verb": verb, "group": group, "resource": resource,
            "subresource": subresource, "name": name});
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": about}});
        let answered = api.post(ASKED, &review).await?;
        if answered.pointer("/status/allowed").and_then(Value::as_bool) != Some(true) {
            let what = if subresource.is_empty() { resource.to_string() } else { format!("{resource}/{subresource}") };
            return Err(format!(
                "the account may not {verb} {what} in the namespace {namespace}: deploy/kubernetes has a Role that may"
            ));
        }
    }
    Ok(())
}
