//! The store's end of its socket: frames in, orders to the writer, answers out.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use super::heart::Command;
use super::wire::{FRAME_BYTES_MAX, FromStore, Malformed, ToStore};
use super::writer::{CLOSE, Order, Orders};

/// Answers of transactions that one connection may leave unread: more than a replica has unanswered commands.
const ANSWERS_MAX: usize = 8_192;
const READ_BYTES: usize = 64 * 1_024;

fn malformed(error: Malformed) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Takes connections until it is dropped.
pub(crate) async fn serve(listener: UnixListener, orders: Orders) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                while connections.try_join_next().is_some() {}
                let is_ours =
                    stream.peer_cred().is_ok_and(|peer| [0, rustix::process::getuid().as_raw()].contains(&peer.uid()));
                if is_ours {
                    connections.spawn(speak(stream, orders.clone()));
                }
            }
            Err(error) => {
                tracing::warn!("the store cannot accept: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Serves one connection to its end.
pub(crate) async fn speak(stream: UnixStream, orders: Orders) {
    if let Err(error) = converse(stream, &orders).await {
        tracing::debug!("a connection to the store ended: {error}");
    }
}

async fn converse(stream: UnixStream, orders: &Orders) -> io::Result<()> {
    let (mut reader, mut writer) = stream.into_split();
    let mut bytes = Vec::with_capacity(READ_BYTES);
    let (number, incarnation) = loop {
        match ToStore::read(&bytes).map_err(malformed)? {
            Some((used, number, ToStore::Hello(incarnation))) => {
                bytes.drain(..used);
                break (number, incarnation);
            }
            Some(_) => return Err(malformed(Malformed)),
            None => more(&mut reader, &mut bytes).await?,
        }
    };
    let (answer, answered) = oneshot::channel();
    let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
    orders.send(Order::Connect { incarnation, answer }).await.map_err(|_| io::ErrorKind::BrokenPipe)?;
    let place = answered.await.map_err(gone)?.map_err(io::Error::other)?;
    let mut out = Vec::new();
    let answer = place.map_or(FromStore::Superseded, |place| FromStore::Welcome(place.epoch));
    answer.write(&mut out, number).map_err(io::Error::other)?;
    writer.write_all(&out).await?;
    let Some(place) = place else { return Ok(()) };
    let (answers, mut waiting) = mpsc::channel::<Vec<u8>>(ANSWERS_MAX);
    let reading = async {
        loop {
            let commands = take(&mut bytes)?;
            if !commands.is_empty() {
                let order = Order::Commands { place, commands, answers: answers.clone() };
                orders.send(order).await.map_err(|_| io::ErrorKind::BrokenPipe)?;
            }
            more(&mut reader, &mut bytes).await?;
        }
    };
    let writing = async {
        while let Some(mut bytes) = waiting.recv().await {
            // Of several transactions at once, where they are there.
            let mut is_over = bytes == CLOSE;
            while let Ok(more) = waiting.try_recv() {
                is_over |= more == CLOSE;
                bytes.extend_from_slice(&more);
            }
            writer.write_all(&bytes).await?;
            if is_over {
                break;
            }
        }
        Ok(())
    };
    tokio::select! {
        read = reading => read,
        wrote = writing => wrote,
    }
}

/// The whole commands at the front of `bytes`.
fn take(bytes: &mut Vec<u8>) -> io::Result<Vec<(u64, Command)>> {
    let mut commands = Vec::new();
    let mut at = 0;
    while let Some((used, number, said)) = ToStore::read(&bytes[at..]).map_err(malformed)? {
        let ToStore::Do(command) = said else { return Err(malformed(Malformed)) };
        commands.push((number, command));
        at += used;
    }
    bytes.drain(..at);
    Ok(commands)
}

/// Reads some more.
pub(super) async fn more(reader: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> io::Result<()> {
    if bytes.len() > FRAME_BYTES_MAX {
        return Err(malformed(Malformed));
    }
    bytes.reserve(READ_BYTES);
    match reader.read_buf(bytes).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
