//! A real Consul agent, in memory, on loopback.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// The token that may do everything, where tokens are needed.
pub const MASTER: &str = "11111111-2222-3333-4444-555555555555";

pub struct Agent {
    program: PathBuf,
    folder: TempDir,
    settings: String,
    pub port: u16,
    child: Option<Child>,
}

impl Agent {
    /// Starts one. `acl`: nothing is allowed without a token.
    pub fn start(acl: bool) -> Option<Self> {
        let program = super::program("CONSUL_BIN", "consul", "PERSEVERE_NO_CONSUL")?;
        let [port, server, serf] = super::ports();
        let mut settings = format!(
            "ports {{ http = {port} server = {server} serf_lan = {serf} serf_wan = -1 dns = -1 grpc = -1 }}"
        );
        if acl {
            settings += &format!(
                " acl {{ enabled = true default_policy = \"deny\" tokens {{ master = \"{MASTER}\" }} }}"
            );
        }
        let folder = tempfile::tempdir().expect("a folder");
        let mut agent = Self { program, folder, settings, port, child: None };
        agent.restart();
        Some(agent)
    }

    /// Starts it again on the same port. It has forgotten everything.
    pub fn restart(&mut self) {
        assert!(self.child.is_none(), "it is running");
        let log = File::create(self.folder.path().join("log")).expect("a log");
        let child = Command::new(&self.program)
            .args(["agent", "-dev", "-bind", "127.0.0.1", "-client", "127.0.0.1", "-hcl"])
            .arg(&self.settings)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()
            .expect("consul can be started");
        self.child = Some(child);
        let leader = format!("http://127.0.0.1:{}/v1/kv/ready", self.port);
        super::until("consul takes a value", || {
            // Only a leader does.
            ureq::put(&leader).header("X-Consul-Token", MASTER).send("yes").is_ok()
        });
    }

    /// As if the power went.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it can be killed");
            child.wait().expect("it ends");
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if std::thread::panicking() {
            super::print_log("consul", &self.folder.path().join("log"));
        }
        self.kill();
    }
}
