//! What the pods are of, and how many of them it has.

use serde_json::{Value, json};

use super::access::Access;
use super::api::Api;
use super::permission::may;
use super::pod::{Pod, pods};
use crate::driver::service::{Counted, Present, Service};
use crate::driver::watchdog::Debt;

const GROUP: &str = "/apis/apps/v1";

/// A StatefulSet or a Deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Workload {
    /// "statefulsets/erlmcp"
    resource: String,
    /// Whose pods they are: of a Deployment it is its ReplicaSet.
    owner: String,
}

impl Workload {
    /// # Errors
    /// Why its number of pods cannot be changed, as a sentence.
    pub(super) async fn of(api: &Api, service: &Service, found: &[Pod], endpoints: usize) -> Result<Self, String> {
        let owner = service.owner()?;
        if service.held() < endpoints {
            return Err("not all of the target's addresses are those of pods that may be broken".into());
        }
        let pod = found.iter().find(|pod| pod.unit.owner == owner).ok_or("its pods are gone")?;
        let (resource, kind) = match &pod.controller {
            (kind, name) if kind == "StatefulSet" => (format!("statefulsets/{name}"), "statefulsets/scale"),
            (kind, name) if kind == "ReplicaSet" => {
                let name = deployment(api, name).await?;
                (format!("deployments/{name}"), "deployments/scale")
            }
            (kind, name) => return Err(format!("the pods are of the {kind} {name}, whose number is not changed here")),
        };
        let name = resource.split_once('/').map_or("", |(_, name)| name);
        may(api, &[("get", "apps", kind, name), ("patch", "apps", kind, name)]).await?;
        Ok(Self { resource, owner })
    }
}

/// The Deployment that has this ReplicaSet.
async fn deployment(api: &Api, set: &str) -> Result<String, String> {
    let found = api.get(&api.access.path(GROUP, &format!("replicasets/{set}"))).await?;
    let owners = found.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let owner = owners.into_iter().flatten().find(|owner| owner["kind"] == "Deployment");
    let name = owner.and_then(|owner| owner["name"].as_str());
    name.map(String::from).ok_or_else(|| format!("the ReplicaSet {set} is of no Deployment"))
}

async fn number(api: &Api, resource: &str) -> Result<u16, String> {
    let scale = api.get(&api.access.path(GROUP, &format!("{resource}/scale"))).await?;
    // Of one that has none the field is left out.
    let replicas = scale.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(0);
    Ok(u16::try_from(replicas).unwrap_or(u16::MAX))
}

async fn tell(api: &Api, resource: &str, number: u16) -> Result<(), String> {
    let body = json!({"spec": {"replicas": number}});
    match api.patch(&api.access.path(GROUP, &format!("{resource}/scale")), &body).await? {
        true => Ok(()),
        false => Err(format!("{resource} is not there any more")),
    }
}

/// Sees to it that it is told to have so many.
pub(in crate::driver) async fn set_number(access: &Access, resource: &str, wanted: u16) -> Result<(), String> {
    let set = async {
        let api = Api::open(access.clone()).await?;
        if number(&api, resource).await? == wanted { Ok(()) } else { tell(&api, resource, wanted).await }
    };
    set.await.map_err(|why| {
        let namespace = &access.namespace;
        format!(
            "{resource} may still have another number of pods than before ({why}): kubectl --namespace {namespace} scale \
             {resource} --replicas {wanted}"
        )
    })
}

/// The workload as that which has a number of pods.
pub(super) struct Scaled<'a> {
    pub(super) api: &'a Api,
    pub(super) workload: &'a Workload,
    pub(super) port: u16,
}

impl Counted for Scaled<'_> {
    async fn number(&self) -> Result<u16, String> {
        number(self.api, &self.workload.resource).await
    }

    async fn set_number(&self, number: u16) -> Result<(), String> {
        tell(self.api, &self.workload.resource, number).await
    }

    fn debt(&self, number: u16) -> Debt {
        Debt::Pods { api: self.api.access.clone(), resource: self.workload.resource.clone(), number }
    }

    async fn present(&self) -> Result<Present, String> {
        let (found, awaited) = pods(self.api, self.port).await?;
        let ours: Vec<Pod> = found.into_iter().filter(|pod| pod.unit.owner == self.workload.owner).collect();
        let ready = ours.iter().filter(|pod| pod.is_ready);
        let addresses = ready.map(|pod| pod.unit.address).collect();
        let awaited = awaited.iter().filter(|owner| **owner == self.workload.owner).count();
        let unsettled = awaited + ours.iter().filter(|pod| !pod.is_ready).count();
        Ok(Present { addresses, unsettled, units: ours.into_iter().map(|pod| pod.unit).collect() })
    }
}
