//! A partition: a NetworkPolicy that lets nothing in or out of the pods that carry its label, and how both go again.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::access::Access;
use super::api::Api;
use crate::driver::service::Unit;

const GROUP: &str = "/apis/networking.k8s.io/v1";
/// Of a pod that is cut off: the name of its policy. Policies that let traffic in must not select a pod that has it, since what
/// one of them lets in is let in.
const CUT_OFF: &str = "erlmcp.cut-off";
/// Of a policy that a run has made.
const MADE: &str = "erlmcp.fault";
/// A policy that was still on its way when its run ended is there by then.
const ARRIVED_WITHIN: Duration = Duration::from_secs(1);

/// As long as the pod has no other partition, no other one has this name.
pub(super) fn policy_of(pod: &Unit) -> String {
    format!("erlmcp-cut-off-{}", pod.id)
}

/// Makes the policy, and gives the pods its label.
pub(super) async fn make(api: &Api, policy: &str, pods: &[(u16, Unit)]) -> Result<(), String> {
    // Of the run's own pod, where it has one: with it the policy goes, should nobody be left to take it away.
    let own = match std::env::var("HOSTNAME") {
        Ok(name) if api.access.account.is_some() => super::id_of(api, &name).await?.map(|id| (name, id)),
        _ => None,
    };
    let owner = own.map(|(name, id)| json!({"apiVersion": "v1", "kind": "Pod", "name": name, "uid": id}));
    let owners: Vec<Value> = owner.into_iter().collect();
    let body = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": policy, "labels": {MADE: "partition"}, "ownerReferences": owners},
        "spec": {"podSelector": {"matchLabels": {CUT_OFF: label(policy)}}, "policyTypes": ["Ingress", "Egress"]},
    });
    api.post(&api.access.path(GROUP, "networkpolicies"), &body).await?;
    for (replica, pod) in pods {
        let is_there = api.patch(&path(api, &pod.name), &labelled(Some(label(policy)))).await?;
        if !is_there {
            return Err(format!("replica {replica}'s pod {} is not there any more", pod.name));
        }
    }
    Ok(())
}

/// Takes both away; done twice it does no harm.
pub(in crate::driver) async fn undo(access: &Access, policy: &str, pods: &[String]) -> Result<(), String> {
    let undone = async {
        let api = Api::open(access.clone()).await?;
        for pod in pods {
            api.patch(&path(&api, pod), &labelled(None)).await?;
        }
        let policy = api.access.path(GROUP, &format!("networkpolicies/{policy}"));
        if !api.delete(&policy, &json!({})).await? {
            sleep(ARRIVED_WITHIN).await;
            api.delete(&policy, &json!({})).await?;
        }
        Ok::<_, String>(())
    };
    undone.await.map_err(|why| {
        let namespace = &access.namespace;
        format!(
            "pods are still cut off ({why}): kubectl --namespace {namespace} delete networkpolicy {policy}; kubectl --namespace \
             {namespace} label pods --all {CUT_OFF}-"
        )
    })
}

/// What an earlier run has left, which ended with its watchdog.
pub(super) async fn undo_all(api: &Api) -> Result<(), String> {
    let list = api.access.path(GROUP, &format!("networkpolicies?labelSelector={MADE}%3Dpartition"));
    // Who may see none has made none.
    let Ok(left) = api.get(&list).await else { return Ok(()) };
    let policies = left.get("items").and_then(Value::as_array).into_iter().flatten();
    let names: Vec<&str> = policies.filter_map(|policy| policy.pointer("/metadata/name")?.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    tracing::warn!("an earlier run has left pods cut off, which is undone: {}", names.join(", "));
    let cut_off = api.get(&api.access.path("/api/v1", &format!("pods?labelSelector={CUT_OFF}"))).await?;
    let pods = cut_off.get("items").and_then(Value::as_array).into_iter().flatten();
    let pods: Vec<String> = pods.filter_map(|pod| Some(pod.pointer("/metadata/name")?.as_str()?.to_string())).collect();
    for name in names {
        undo(&api.access, name, &pods).await?;
    }
    Ok(())
}

fn path(api: &Api, pod: &str) -> String {
    api.access.path("/api/v1", &format!("pods/{pod}"))
}

fn labelled(with: Option<&str>) -> Value {
    json!({"metadata": {"labels": {CUT_OFF: with}}})
}

/// A label has 63 characters at most: the id alone.
fn label(policy: &str) -> &str {
    policy.strip_prefix("erlmcp-cut-off-").unwrap_or(policy)
}
