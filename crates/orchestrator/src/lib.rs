//! Plans, phases, scenarios, faults, the fleet of agents and the collector.
