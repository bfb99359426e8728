//! The place of the settings: a key of a real Consul, or a file.

use std::env;
use std::error::Error;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio, id};
use std::time::Duration;
use std::{fmt, fs, io};

use figment::{Figment, providers::Toml};
use persevere::sources::{Consul, Updates, WatchedFile};
use persevere::{RetryExt, constant};
use tempfile::TempDir;

const KEY: &str = "shop/settings.toml";

pub(crate) const INSTALL: &str = r#"There is no Consul in CONSUL_BIN or in PATH, so a watched file takes its place. To install it:

   wget -O- https://apt.releases.hashicorp.com/gpg | sudo gpg --dearmor -o /usr/share/keyrings/hashicorp.gpg
   echo "deb [signed-by=/usr/share/keyrings/hashicorp.gpg] https://apt.releases.hashicorp.com $(lsb_release -cs) main" |
      sudo tee /etc/apt/sources.list.d/hashicorp.list
   sudo apt-get update && sudo apt-get install consul
"#;

pub(crate) enum Store {
    Consul(Agent),
    File(TempDir),
}

/// A Consul agent that this program starts, in memory, on loopback.
pub(crate) struct Agent {
    program: PathBuf,
    ports: [u16; 3],
    child: Option<Child>,
}

impl Store {
    /// A Consul, if this machine has one and no argument selects a file.
    pub(crate) fn start(file: bool) -> Result<Self, Box<dyn Error>> {
        let folders = env::var_os("PATH").unwrap_or_default();
        let mut in_path = env::split_paths(&folders).map(|folder| folder.join("consul"));
        let program = env::var_os("CONSUL_BIN").map(PathBuf::from);
        match program.or_else(|| in_path.find(|path| path.is_file())).filter(|_| !file) {
            Some(program) => {
                let mut agent = Agent { program, ports: free_ports()?, child: None };
                agent.start()?;
                Ok(Store::Consul(agent))
            }
            None => Ok(Store::File(tempfile::tempdir()?)),
        }
    }

    /// The settings that a program loads at its start, and their updates.
    pub(crate) fn settings(&self) -> (Figment, Updates) {
        match self {
            Store::Consul(agent) => (Figment::from(agent.key()), agent.key().updates()),
            Store::File(folder) => (Figment::from(file(folder)), file(folder).updates()),
        }
    }

    /// Writes settings, as an operator does.
    pub(crate) fn write(&self, settings: &str) -> Result<(), Box<dyn Error>> {
        match self {
            Store::Consul(agent) => agent
                .put(KEY, settings)
                .map_err(|error| format!("Consul does not take the settings: {error}"))?,
            Store::File(folder) => {
                // By renaming, so that an incomplete file is never read.
                let new = folder.path().join("new");
                fs::write(&new, settings)?;
                fs::rename(&new, folder.path().join("settings.toml"))?;
            }
        }
        Ok(())
    }

    /// Removes the store, and returns the command for that.
    pub(crate) fn lose(&mut self) -> io::Result<&'static str> {
        match self {
            Store::Consul(agent) => agent.kill().map(|()| "   kill -9"),
            Store::File(folder) => {
                fs::remove_file(folder.path().join("settings.toml")).map(|()| "   rm")
            }
        }
    }

    /// Starts the store again, without its content.
    pub(crate) fn recover(&mut self) -> Result<(), Box<dyn Error>> {
        if let Store::Consul(agent) = self { agent.start() } else { Ok(()) }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if let Store::Consul(_) = self { "Consul" } else { "the file" })
    }
}

fn file(folder: &TempDir) -> WatchedFile<Toml> {
    WatchedFile::new(folder.path().join("settings.toml"))
}

impl Agent {
    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[0])
    }

    fn key(&self) -> Consul<Toml> {
        // Short, because the example waits for it; the default delays grow.
        let often = constant(Duration::from_millis(200)).forever();
        Consul::new(KEY).address(self.url()).backoff(often)
    }

    fn put(&self, key: &str, value: &str) -> Result<(), ureq::Error> {
        let timeout = Some(Duration::from_secs(5));
        let direct = ureq::Agent::config_builder().proxy(None).timeout_global(timeout).build();
        direct.new_agent().put(format!("{}/v1/kv/{key}", self.url())).send(value)?;
        Ok(())
    }

    fn start(&mut self) -> Result<(), Box<dyn Error>> {
        let [http, server, serf] = self.ports;
        let ports = format!(
            "ports {{ http = {http} server = {server} serf_lan = {serf} serf_wan = -1 dns = -1 grpc = -1 }}"
        );
        let child = Command::new(&self.program)
            .args(["agent", "-dev", "-bind", "127.0.0.1", "-client", "127.0.0.1", "-hcl", &ports])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{} cannot be run: {error}", self.program.display()))?;
        self.child = Some(child);
        // It accepts a value once it is the leader of its cluster of one.
        (|| self.put("ready", "yes"))
            .retry_with(constant(Duration::from_millis(50)).max_elapsed(Duration::from_secs(20)))
            .call()
            .map_err(|error| format!("Consul does not start: {error}"))?;
        Ok(())
    }

    fn kill(&mut self) -> io::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // An error here has no reader.
        let _ = self.kill();
    }
}

/// Free ports, below those that the system gives to outgoing connections, so that they are free again
/// when the agent is restarted.
fn free_ports<const N: usize>() -> Result<[u16; N], Box<dyn Error>> {
    let first = 20_000 + (id() % 900 * 10) as u16;
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let ports: Vec<u16> = (first..32_000).filter(free).take(N).collect();
    Ok(ports.try_into().map_err(|_| "no free ports")?)
}
