//! A real etcd on loopback, with a folder of its own. Nothing of it is about retrying, except that
//! it takes a moment to start.

use std::env;
use std::error::Error;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use etcd_client::Client;
use persevere::time::TokioTimer;
use persevere::{RetryExt, constant};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Where etcd is: in `ETCD_BIN`, or in `PATH`.
pub fn program() -> Option<PathBuf> {
    if let Some(program) = env::var_os("ETCD_BIN") {
        return Some(program.into());
    }
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join("etcd")).find(|path| path.is_file())
}

/// Whether going without it is a failure: in CI, unless CI itself could not get it.
pub fn required() -> bool {
    env::var_os("CI").is_some() && env::var_os("PERSEVERE_NO_ETCD").is_none()
}

pub struct Server {
    program: PathBuf,
    folder: TempDir,
    client: u16,
    peer: u16,
    child: Option<Child>,
}

impl Server {
    pub async fn new(program: PathBuf) -> Result<Self, Box<dyn Error>> {
        let (client, peer) = {
            let free = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
            (free.0.local_addr()?.port(), free.1.local_addr()?.port())
        };
        let mut server = Self { program, folder: tempfile::tempdir()?, client, peer, child: None };
        server.start().await?;
        Ok(server)
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.client)
    }

    pub async fn start(&mut self) -> Result<(), Box<dyn Error>> {
        let (client, peer) = (self.endpoint(), format!("http://127.0.0.1:{}", self.peer));
        let child = Command::new(&self.program)
            .arg("--data-dir")
            .arg(self.folder.path())
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("default={peer}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        self.child = Some(child);
        let ready = async || {
            let mut client = Client::connect([&client], None).await?;
            timeout(Duration::from_secs(1), client.get("ready", None)).await??;
            Ok::<_, Box<dyn Error>>(())
        };
        let backoff = constant(Duration::from_millis(50)).max_elapsed(Duration::from_secs(30));
        ready.retry_with(backoff).timer(TokioTimer).await
    }

    /// As if the power went.
    pub async fn kill(&mut self) -> Result<(), Box<dyn Error>> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }
}
