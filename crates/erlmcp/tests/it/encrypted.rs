//! Our own server with TLS, as a process, and the tester against it.

use std::path::Path;

use serde_json::Value;

use crate::finished::erlmcp;
use crate::serving::Serving;

/// Puts a new certificate of localhost, and its key, into a folder: `cert.pem` and `key.pem`.
pub(crate) fn certify(folder: &Path) {
    let names = vec!["localhost".to_string(), "127.0.0.1".to_string()];
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate can be made");
    for (name, text) in [("key.pem", made.signing_key.serialize_pem()), ("cert.pem", made.cert.pem())] {
        let aside = folder.join("aside");
        std::fs::write(&aside, text).and_then(|()| std::fs::rename(&aside, folder.join(name))).expect("written");
    }
}

/// `--tls-cert` and `--tls-key` for that folder.
pub(crate) fn flags(folder: &Path) -> [String; 4] {
    let file = |name: &str| folder.join(name).display().to_string();
    ["--tls-cert".into(), file("cert.pem"), "--tls-key".into(), file("key.pem")]
}

#[test]
fn a_server_with_tls_is_discovered_loaded_and_given_another_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    certify(folder.path());
    let old = folder.path().join("old.pem");
    std::fs::copy(folder.path().join("cert.pem"), &old).expect("it is there");
    let (cert, old) = (folder.path().join("cert.pem").display().to_string(), old.display().to_string());
    let flags = flags(folder.path());
    let server = Serving::start(&flags.each_ref().map(String::as_str));
    let url = server.url.replacen("http://", "https://", 1);
    let discover = |ca: &str| erlmcp(&["discover", "--keep-alive-wait", "0s", &url, "--json", "--cacert", ca]).end();
    let finished = discover(&cert);
    let found: Value = serde_json::from_str(&finished.output).unwrap_or_else(|_| panic!("{}", finished.said()));
    assert!(found["tools"].as_array().is_some_and(|tools| !tools.is_empty()), "{found}");
    let load = ["-c", "4", "-d", "2s", "-r", "20", "--agents", "1", "--phases", "1,2,3", "--cacert", &cert];
    let loaded = erlmcp(&[&["stress", &url][..], &load].concat()).end();
    assert_ne!(loaded.verdict("sla.error_rate_percent"), "fail", "{}", loaded.said());
    let health = erlmcp(&["health", "--timeout", "60s", &url]).end();
    assert_eq!(health.code, 0, "{}", health.said());
    let plain = erlmcp(&["discover", &server.url]).end();
    assert!(plain.code == 1 && plain.errors.contains("400"), "{}", plain.said());
    certify(folder.path());
    let began = std::time::Instant::now();
    loop {
        if discover(&cert).code == 0 {
            break;
        }
        assert!(began.elapsed().as_secs() < 60, "the other certificate is never shown");
    }
    assert!(discover(&old).errors.contains("--cacert"), "the old one is shown no more");
}

/// Those that are wrong on purpose shake hands like the others, and are wrong then.
#[test]
fn clients_misbehave_through_tls() {
    let folder = tempfile::tempdir().expect("a folder");
    certify(folder.path());
    let flags = flags(folder.path());
    let server = Serving::start(&flags.each_ref().map(String::as_str));
    let path = folder.path().join("own.toml");
    let rude = |way: &str| format!("[[misbehaving]]\nway = \"{way}\"\nshare = 0.02\nevery = \"20ms..50ms\"\n");
    let ways = ["half_request", "bad_json", "unknown_method", "no_delete", "cut_in_request"].map(rude).concat();
    std::fs::write(&path, format!("[[request]]\nusual = true\n{ways}")).expect("written");
    let url = server.url.replacen("http://", "https://", 1);
    let load = ["-c", "50", "-r", "100", "-d", "4s", "--agents", "1", "--phases", "1,2,3", "--cacert", &flags[1]];
    let workload = ["--workload", path.to_str().expect("a path")];
    let finished = erlmcp(&[&["stress", &url][..], &load, &workload].concat()).end();
    assert_ne!(finished.verdict("sla.error_rate_percent"), "fail", "{}", finished.said());
    for way in ["bad_json", "unknown_method"] {
        assert!(finished.number(&format!("{way}: Answered with an Error")) >= 1.0, "{way}: {}", finished.output);
    }
    assert!(finished.number("no_delete: Answered as a Good One") >= 1.0, "{}", finished.output);
}

#[test]
fn a_certificate_without_its_key_is_refused_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    certify(folder.path());
    let [cert_flag, cert, key_flag, _] = flags(folder.path());
    let alone = erlmcp(&["serve", "--listen", "127.0.0.1:0", &cert_flag, &cert]).end();
    assert!(alone.code == 2 && alone.errors.contains("--tls-key"), "{}", alone.said());
    let wrong = erlmcp(&["serve", "--listen", "127.0.0.1:0", &cert_flag, &cert, &key_flag, &cert]).end();
    assert!(wrong.code == 1 && wrong.errors.contains("--tls-key"), "{}", wrong.said());
}
