//! How many connections each address has, where there is a limit of them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// IPv6: whoever has one address has all that share these bits with it.
const PREFIX: u128 = !0 << 64;

/// The open connections by address; as many entries as there are connections at most.
#[derive(Debug)]
pub(crate) struct Addresses {
    pub(super) max: u64,
    open: Mutex<HashMap<IpAddr, u64>>,
    refused: AtomicU64,
}

/// A connection among those of its address; counted until it is dropped.
#[derive(Debug)]
pub(crate) struct AddressPlace {
    of: Arc<Addresses>,
    address: IpAddr,
    /// It is one too many.
    pub(crate) is_above: bool,
}

impl Addresses {
    pub(crate) fn new(max: u64) -> Self {
        Self { max, open: Mutex::default(), refused: AtomicU64::new(0) }
    }

    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> AddressPlace {
        let address = match address.to_canonical() {
            IpAddr::V6(whole) => IpAddr::V6(Ipv6Addr::from_bits(whole.to_bits() & PREFIX)),
            four => four,
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        *count += 1;
        let is_above = *count > self.max;
        if is_above {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        AddressPlace { of: Arc::clone(self), address, is_above }
    }

    /// Connections of the address that has most, and those that were refused since the start.
    pub(crate) fn figures(&self) -> (u64, u64) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        (open.values().max().copied().unwrap_or(0), self.refused.load(Ordering::Relaxed))
    }
}

impl Drop for AddressPlace {
    fn drop(&mut self) {
        let mut open = self.of.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_and_gives_it_back() {
        let addresses = Arc::new(Addresses::new(2));
        let enter = |text: &str| addresses.enter(text.parse().expect("an address"));
        let places = ["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1"].map(enter);
        assert_eq!(places.each_ref().map(|place| place.is_above), [false, false, true]);
        assert!(!enter("192.0.2.2").is_above);
        assert_eq!(addresses.figures(), (3, 1));
        drop(places);
        assert_eq!(addresses.figures(), (0, 1));
        let places = ["2001:db8::1", "2001:db8::2:0:0:1", "2001:db8:0:0:ffff::", "2001:db8:0:1::"].map(enter);
        assert_eq!(places.map(|place| place.is_above), [false, false, true, false]);
    }
}
