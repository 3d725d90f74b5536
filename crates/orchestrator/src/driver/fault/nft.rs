//! Packets filtered by address and port, in a table that the kernel removes with its owner.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// Where administrators' commands are when PATH does not name these folders.
const FOLDERS: [&str; 2] = ["/usr/sbin", "/sbin"];
/// The kernel does it in milliseconds; a machine at its limit takes longer to start a process.
const DONE_WITHIN: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// An error text is read so far.
const TEXT_BYTES_MAX: u64 = 4_096;

/// The nft command, found and permitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Nft {
    binary: PathBuf,
}

impl Nft {
    /// Finds it and tries it with a table that drops nothing.
    ///
    /// # Errors
    /// Why packets cannot be dropped here, for "... is not available: ...".
    pub(crate) async fn find() -> Result<Self, String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain(FOLDERS.iter().map(PathBuf::from));
        let binary = folders.map(|folder| folder.join("nft")).find(|file| file.is_file());
        let nft = Self { binary: binary.ok_or("there is no nft command")? };
        let trial = nft.drop_packets_of(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)).await?;
        trial.close().await?;
        Ok(nft)
    }

    /// Starts the owner of a table that is yet to be made.
    pub(crate) async fn open(&self) -> Result<Table, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("erlmcp_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut command = Command::new(&self.binary);
        // A process group of its own: Ctrl-C is for us, who undo things in order. HOME: it would keep a history.
        command.arg("-i").env("HOME", "/nonexistent").process_group(0).kill_on_drop(true);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let owner = spawned.map_err(|error| format!("nft cannot be started: {error}"))?;
        Ok(Table { nft: self.clone(), name, owner })
    }

    /// Drops every packet from and to a replica's address and port, until the table is closed or its process ends.
    async fn drop_packets_of(&self, address: SocketAddrV4) -> Result<Table, String> {
        let mut table = self.open().await?;
        let filter = Filter { addresses: vec![address], arriving: true, leaving: true, fate: Fate::Dropped };
        table.apply(&filter).await?;
        Ok(table)
    }

    /// A table as nft lists it; None: the kernel has none of that name.
    ///
    /// # Errors
    /// Where it cannot be found out: that is not "gone".
    async fn list(&self, name: &str) -> Result<Option<String>, String> {
        let mut command = Command::new(&self.binary);
        command.args(["-j", "list", "table", "ip", name]).env("HOME", "/nonexistent").env("LC_ALL", "C");
        let listing = command.process_group(0).kill_on_drop(true).stdin(Stdio::null()).output();
        let output = timeout(DONE_WITHIN, listing).await.map_err(|_| "nft does not answer".to_string())?;
        let output = output.map_err(|error| format!("nft cannot be started: {error}"))?;
        if output.status.success() {
            return Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned()));
        }
        let text = String::from_utf8_lossy(&output.stderr);
        if text.contains("No such file or directory") { Ok(None) } else { Err(first_line(&text)) }
    }
}

fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("nft did not say why");
    line.trim_start_matches("Error: ").to_string()
}

/// Which packets, and what becomes of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    /// By port too: others may serve at the same loopback address, and are none of our business.
    pub(crate) addresses: Vec<SocketAddrV4>,
    /// Those sent to the addresses.
    pub(crate) arriving: bool,
    /// Those sent from there.
    pub(crate) leaving: bool,
    pub(crate) fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Dropped,
    /// Answered with a TCP reset.
    Reset,
    /// Dropped at random.
    Lost {
        percent: u64,
    },
}

/// Filters where packets arrive: a drop where they leave would be reported to the sender.
fn script(name: &str, filter: &Filter) -> String {
    // A reset goes to the sender of a packet only. So that both ends of a connection hear of it, only the first packet of
    // a client is answered with one; of an open connection it is the server's next packet, and then its own kernel
    // answers what the client sends again. The resets themselves pass.
    let (to, from) = match filter.fate {
        Fate::Dropped => ("counter drop".to_string(), "counter drop".to_string()),
        Fate::Reset => (
            "tcp flags & (syn | ack) == syn counter reject with tcp reset".into(),
            "tcp flags & rst == 0 counter reject with tcp reset".into(),
        ),
        Fate::Lost { percent } => {
            let some = format!("numgen random mod 100 < {percent} counter drop");
            (some.clone(), some)
        }
    };
    let mut rules = String::new();
    for address in &filter.addresses {
        let (ip, port) = (address.ip(), address.port());
        if filter.arriving {
            rules += &format!("ip daddr {ip} tcp dport {port} {to}; ");
        }
        if filter.leaving {
            rules += &format!("ip saddr {ip} tcp sport {port} {from}; ");
        }
    }
    format!(
        "add table ip {name} {{ flags owner; chain arriving {{ \
         type filter hook input priority -300; policy accept; {rules}}}; }}\n"
    )
}

/// A table in force, and the process that owns it.
#[derive(Debug)]
pub(crate) struct Table {
    nft: Nft,
    name: String,
    owner: Child,
}

impl Table {
    /// The process whose end is the table's.
    pub(crate) fn owner(&self) -> Option<u32> {
        self.owner.id()
    }

    /// Makes the table; returns when the kernel has it.
    pub(crate) async fn apply(&mut self, filter: &Filter) -> Result<(), String> {
        let script = script(&self.name, filter);
        self.tell(&script).await?;
        self.listed().await
    }

    async fn tell(&mut self, text: &str) -> Result<(), String> {
        let input = self.owner.stdin.as_mut().ok_or("nft takes no more commands")?;
        let written = async { input.write_all(text.as_bytes()).await.is_ok() && input.flush().await.is_ok() };
        if written.await { Ok(()) } else { Err(self.complaint().await) }
    }

    /// Waits until the kernel has it.
    async fn listed(&mut self) -> Result<(), String> {
        let listed = async {
            loop {
                match self.nft.list(&self.name).await {
                    Ok(Some(_)) => return true,
                    // What may not be listed may not be made either; nft waits for more all the same.
                    Err(_) => return false,
                    Ok(None) if !matches!(self.owner.try_wait(), Ok(None)) => return false,
                    Ok(None) => sleep(LOOK_EVERY).await,
                }
            }
        };
        if timeout(DONE_WITHIN, listed).await.unwrap_or(false) { Ok(()) } else { Err(self.complaint().await) }
    }

    /// What nft says is wrong; ends it.
    async fn complaint(&mut self) -> String {
        drop(self.owner.stdin.take());
        let mut text = Vec::new();
        if let Some(errors) = self.owner.stderr.take() {
            let _ = timeout(DONE_WITHIN, errors.take(TEXT_BYTES_MAX).read_to_end(&mut text)).await;
        }
        let _ = self.owner.start_kill();
        first_line(&String::from_utf8_lossy(&text))
    }

    /// Packets that it has caught so far; None: it is not in force.
    pub(crate) async fn caught(&self) -> Option<u64> {
        count_packets(&self.nft.list(&self.name).await.ok()??)
    }

    /// Ends the owner and waits until the kernel has removed the table.
    ///
    /// # Errors
    /// Where it was not seen to be gone.
    pub(crate) async fn close(mut self) -> Result<(), String> {
        drop(self.owner.stdin.take());
        if timeout(DONE_WITHIN, self.owner.wait()).await.is_err() {
            let _ = self.owner.start_kill();
            let _ = timeout(DONE_WITHIN, self.owner.wait()).await;
        }
        let gone = async {
            while !matches!(self.nft.list(&self.name).await, Ok(None)) {
                sleep(LOOK_EVERY).await;
            }
        };
        let waited = timeout(DONE_WITHIN, gone).await;
        waited.map_err(|_| format!("the nftables table {} is still there: nft delete table ip {0}", self.name))
    }
}

/// The counters of all rules of a listing.
fn count_packets(listing: &str) -> Option<u64> {
    let listing: serde_json::Value = serde_json::from_str(listing).ok()?;
    let rules = listing["nftables"].as_array()?.iter().filter_map(|entry| entry["rule"]["expr"].as_array());
    Some(rules.flatten().filter_map(|expression| expression["counter"]["packets"].as_u64()).sum())
}

#[cfg(test)]
pub(in crate::driver) mod tests;
