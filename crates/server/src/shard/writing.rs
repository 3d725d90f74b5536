//! Answers on their way out.

use super::net::Transport;
use super::{ConnToken, Net, Shard};
use crate::conn::{Reading, Task};
use crate::metrics::counters::Reached;

/// What became of a write.
enum Written {
    All,
    Some(usize),
    Broken,
}

impl<N: Net> Shard<N> {
    /// Writes what is in `out` for this connection, after what it was owed before; keeps what the kernel does not
    /// take.
    pub(super) fn flush(&mut self, key: u32) {
        let Some(connection) = self.table.get_mut(key) else {
            self.out.clear();
            return;
        };
        if let Some(mut buffer) = connection.output.take() {
            let grows = !self.out.is_empty();
            self.pool.push(&mut buffer, &self.out);
            self.out.clear();
            match write(&mut connection.stream, buffer.pending()) {
                Written::All => self.pool.give_back(buffer),
                Written::Some(count) => {
                    buffer.advance(count);
                    // What it began with may be longer: a client that has come back gets at once what was kept for it.
                    let is_late =
                        grows && connection.task.streams() && buffer.len() as u64 > self.shared.limits.stream_bytes_max;
                    connection.output = Some(buffer);
                    if is_late {
                        self.counters.reached(Reached::StreamBytes);
                        return self.close(key);
                    }
                    // Without progress the clock runs on.
                    if count > 0 {
                        self.set_deadline(key, self.after_ms(self.shared.limits.write_stall_timeout_ms));
                    }
                    return;
                }
                Written::Broken => {
                    self.pool.give_back(buffer);
                    return self.close(key);
                }
            }
            return self.written(key, true);
        }
        if !self.out.is_empty() {
            match write(&mut connection.stream, &self.out) {
                Written::All => self.out.clear(),
                Written::Some(count) => {
                    let mut buffer = self.pool.take();
                    self.pool.push(&mut buffer, &self.out[count..]);
                    connection.output = Some(buffer);
                    self.out.clear();
                    self.set_deadline(key, self.after_ms(self.shared.limits.write_stall_timeout_ms));
                    return;
                }
                Written::Broken => {
                    self.out.clear();
                    return self.close(key);
                }
            }
        }
        self.written(key, false);
    }

    /// Everything is out. `was_behind`: it was not before.
    fn written(&mut self, key: u32, was_behind: bool) {
        let are_told = self.are_idle_told();
        let Some(connection) = self.table.get_mut(key) else { return };
        // What the kernel holds may be a request.
        connection.closes |= are_told && connection.is_idle() && !connection.unread;
        if connection.closes {
            return self.linger(key);
        }
        if !was_behind {
            return;
        }
        let token = ConnToken::new(key, connection.generation);
        if matches!(connection.task, Task::Stream(_)) {
            // What it is told of next may keep it behind until long after its end.
            if connection.task.until_s() <= self.shared.clock.unix_seconds() {
                return self.end_stream(key);
            }
            self.await_comment(key);
            self.settle_changes(key);
        } else {
            if connection.reading == Reading::Head {
                self.await_request(key);
            }
            self.give_room(key);
            self.resume(token);
        }
    }

    /// Goes on with requests that had to wait: those that are here already, then those that the kernel holds.
    pub(super) fn resume(&mut self, token: ConnToken) {
        let Some(connection) = self.find(token) else { return };
        if connection.input.is_some() && connection.may_read() {
            self.serve(token, &[], self.now_ns);
        }
        let Some(connection) = self.find(token) else { return };
        if connection.ended && connection.output.is_none() && connection.ends_with_its_client() {
            // Its end was seen while a call of a session had it; what came behind that has nobody to answer to.
            self.close(token.key);
        } else if connection.may_read() && connection.unread {
            // Not here and now: whoever resumes may be in the middle of reading.
            self.again.push_back(token);
        }
    }

    /// Ends a connection so that the peer can read its answer: what it still sends is read and thrown away, since
    /// closing over unread bytes would reset the connection.
    pub(super) fn linger(&mut self, key: u32) {
        let Some(connection) = self.table.get_mut(key) else { return };
        if connection.peer_closed || matches!(connection.reading, Reading::Linger { .. }) {
            if connection.peer_closed {
                self.close(key);
            }
            return;
        }
        let left = u32::try_from(self.shared.limits.linger_bytes_max).unwrap_or(u32::MAX);
        connection.reading = Reading::Linger { left };
        if let Some(buffer) = connection.input.take() {
            self.pool.give_back(buffer);
        }
        if connection.stream.finish().is_err() {
            return self.close(key);
        }
        let token = ConnToken::new(key, connection.generation);
        self.again.push_back(token);
        self.set_deadline(key, self.after_ms(self.shared.limits.linger_timeout_ms));
    }
}

fn write(stream: &mut impl Transport, bytes: &[u8]) -> Written {
    let mut at = 0;
    while at < bytes.len() {
        match stream.write(&bytes[at..]) {
            Ok(0) => return Written::Broken,
            Ok(count) => at += count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Written::Some(at),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return Written::Broken,
        }
    }
    Written::All
}
