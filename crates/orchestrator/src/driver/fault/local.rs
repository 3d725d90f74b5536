use super::force::Force;
use super::{Bench, FaultDriver, HealError, descriptors, ending, group, kill, packets, pause, proxied, store};
use crate::driver::watchdog::Watchdog;
use crate::event::{Healed, Injected};
use crate::fault::{Fault, Kind};

impl FaultDriver for Bench {
    type InForce = Force;

    async fn inject(&self, fault: &Fault) -> Result<(Force, Injected), String> {
        let (replicas, amount) = (&fault.replicas, fault.amount);
        match fault.kind {
            Kind::Kill => kill::kill(self, replicas).await,
            Kind::CrashLoop => kill::again_and_again(self, replicas, amount).await,
            Kind::Terminate => ending::terminate(self, replicas).await,
            Kind::RollingRestart => ending::one_after_another(self, replicas).await,
            Kind::Supervisor => ending::supervisor(self).await,
            Kind::Pause => pause::pause(self, replicas, None).await,
            Kind::Partition | Kind::PartitionIn | Kind::PartitionOut | Kind::Reset | Kind::Loss => {
                packets::inject(self, fault).await
            }
            Kind::Cpu => group::cpu(self, replicas, amount).await,
            Kind::Memory => group::memory(self, replicas, amount).await,
            Kind::Descriptors => descriptors::take(self, replicas, amount).await,
            Kind::StoreKilled | Kind::StoreSlow | Kind::StoreFull => store::inject(self, fault).await,
            Kind::ThunderingReconnect | Kind::RetryStorm | Kind::SlowClients => {
                Err("clients do it, not the driver".into())
            }
            Kind::Latency
            | Kind::LatencyIn
            | Kind::LatencyOut
            | Kind::Bandwidth
            | Kind::Slicing
            | Kind::BlackHole
            | Kind::Cut => proxied::inject(self, fault).await,
            Kind::Command => self.commands().await?.inject(fault).await,
        }
    }

    fn lasts(in_force: &Self::InForce) -> bool {
        !matches!(in_force, Force::Past)
    }

    async fn heal(&self, force: Force) -> Result<Healed, HealError> {
        force.heal((&self.watchdog, &self.clock), self.own.as_ref()).await
    }

    fn watchdog(&self) -> &Watchdog {
        &self.watchdog
    }

    async fn end(&self) -> Vec<String> {
        self.watchdog.end().await
    }
}
