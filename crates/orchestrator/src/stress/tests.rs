use std::net::TcpListener;
use std::path::Path;

use super::*;
use crate::config::tests::plain;

/// Runs it against a port of this test, with so many interrupts already counted.
async fn stress_at(port: u16, folder: &Path, interrupts: u32) -> (Result<Outcome, StressError>, Vec<live::Event>) {
    let config = StressConfig {
        target: Some(format!("http://127.0.0.1:{port}")),
        connections: Some(10),
        output: Some(folder.to_path_buf()),
        ..plain()
    };
    let (events, mut told) = mpsc::channel(64);
    let (_sender, cancel) = watch::channel(interrupts);
    let outcome = stress(config, events, cancel).await;
    let mut all = Vec::new();
    while let Some(event) = told.recv().await {
        all.push(event);
    }
    (outcome, all)
}

#[tokio::test]
async fn a_target_that_nobody_serves_is_an_error_and_leaves_no_folder() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("run");
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("bound").port()
    };
    let (outcome, told) = stress_at(port, &folder, 0).await;
    let error = outcome.expect_err("nobody is there");
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("connection refused"), "{error}");
    assert!(matches!(told.as_slice(), [live::Event::Banner { connections: 10, .. }]), "{told:?}");
    assert!(!folder.exists());
}

#[tokio::test]
async fn an_interrupt_before_the_first_phase_says_so_and_leaves_no_folder() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("run");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (outcome, _) = stress_at(listener.local_addr().expect("bound").port(), &folder, 1).await;
    assert_eq!(outcome, Err(StressError::Interrupted));
    assert!(!folder.exists());
}

#[tokio::test]
async fn what_cannot_be_written_is_said_before_anything_else() {
    let parent = tempfile::tempdir().expect("a folder");
    let file = parent.path().join("file");
    std::fs::write(&file, "mine").expect("written");
    let (outcome, told) = stress_at(9, &file, 0).await;
    let error = outcome.expect_err("a file is no folder");
    assert!(error.to_string().contains("--output"), "{error}");
    assert!(told.is_empty(), "{told:?}");
}
