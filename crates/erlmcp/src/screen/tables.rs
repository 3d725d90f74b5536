//! Replicas, errors by cause, and the generator's own processes.

use erlmcp_report::board::Board;
use erlmcp_report::{AgentView, ReplicaView};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::widgets::{Block, Paragraph, Row, Table};

const BOTH_HEIGHT_MIN: u16 = 9;

pub(super) fn draw(frame: &mut Frame<'_>, board: &Board, area: Rect) {
    let [left, right] = Layout::horizontal([Constraint::Fill(5), Constraint::Fill(3)]).areas(area);
    draw_replicas(frame, board, left);
    // Errors come first where there is room for one of them only.
    if area.height < BOTH_HEIGHT_MIN {
        return draw_errors(frame, board, right);
    }
    let agents = board.newest().map_or(0, |now| now.agents.len()).clamp(1, 6) as u16;
    let [errors, generators] = Layout::vertical([Constraint::Fill(1), Constraint::Length(agents + 2)]).areas(right);
    draw_errors(frame, board, errors);
    draw_agents(frame, board, generators);
}

fn draw_replicas(frame: &mut Frame<'_>, board: &Board, area: Rect) {
    let block = |title: String| Block::bordered().title(title);
    let Some(now) = board.newest().filter(|now| !now.replicas.is_empty()) else {
        let block = block("Replicas".into());
        let why = board.newest().and_then(|now| now.server_missing.clone());
        return frame.render_widget(Paragraph::new(why.unwrap_or_else(|| "no figures".into())).block(block), area);
    };
    // A column that has no room is left out: half a number would be another one.
    let shown = if area.width >= ALL_COLUMNS_WIDTH { COLUMNS.len() } else { FIRST_COLUMNS };
    let header = Row::new(COLUMNS.iter().take(shown).map(|(name, _)| *name));
    let rows = now.replicas.iter().map(|replica| Row::new(figures(replica).into_iter().take(shown)));
    let widths = COLUMNS.iter().take(shown).map(|(_, width)| Constraint::Length(*width));
    let table = Table::new(rows, widths).header(header.style(Style::new().add_modifier(Modifier::BOLD)));
    frame.render_widget(table.block(block(heading(&now.replicas, usize::from(area.width).saturating_sub(2)))), area);
}

/// "Replicas  tools 9  sessions 3 streaming, 2 held": of all that are ready, without what one of them does not tell, and
/// without what has no room.
fn heading(replicas: &[ReplicaView], room: usize) -> String {
    let ready = || replicas.iter().filter(|replica| replica.ready);
    let all = |of: fn(&ReplicaView) -> Option<u64>| ready().map(of).collect::<Option<Vec<u64>>>().unwrap_or_default();
    let tools = all(|replica| replica.tools);
    // Their registries differ only while a cluster is updated.
    let tools = tools.iter().min().zip(tools.iter().max()).map(|(least, most)| match least == most {
        true => format!("tools {most}"),
        false => format!("tools {least} to {most}"),
    });
    let streaming = all(|replica| replica.sessions).into_iter().reduce(|one, other| one + other);
    // Each replica of a cluster holds those of all.
    let held = all(|replica| replica.sessions_held).into_iter().max();
    let sessions = streaming.zip(held).map(|(streaming, held)| format!("sessions {streaming} streaming, {held} held"));
    [tools, sessions].into_iter().flatten().fold("Replicas".into(), |heading: String, more| {
        let longer = format!("{heading}  {more}");
        if longer.len() <= room { longer } else { heading }
    })
}

/// Those that a narrow screen has come first.
const COLUMNS: [(&str, u16); 10] = [
    ("#", 3),
    ("state", 5),
    ("conn", 7),
    ("req/s", 7),
    ("CPU", 6),
    ("queue", 5),
    ("stall", 7),
    ("memory", 8),
    ("streams", 7),
    ("restarts", 8),
];
const FIRST_COLUMNS: usize = 7;
/// All of them, the gaps between them, and the frame.
const ALL_COLUMNS_WIDTH: u16 = 63 + 9 + 2;

const MIB: f64 = 1_048_576.0;

/// What is not known is a dash, never a zero.
fn figures(replica: &ReplicaView) -> [String; 10] {
    let count = |value: Option<u64>| value.map_or("-".into(), |value| value.to_string());
    [
        replica.replica.to_string(),
        if replica.ready { "ready" } else { "DOWN" }.into(),
        count(replica.connections),
        replica.answered_rps.map_or("-".into(), |rate| format!("{rate:.0}")),
        replica.cpu_percent.map_or("-".into(), |cpu| format!("{cpu:.0} %")),
        count(replica.queue_depth),
        replica.longest_stall_ms.map_or("-".into(), |ms| format!("{ms:.0} ms")),
        replica.memory_bytes.map_or("-".into(), |bytes| format!("{:.0} MiB", bytes as f64 / MIB)),
        count(replica.streams),
        count(replica.restarts),
    ]
}

fn draw_errors(frame: &mut Frame<'_>, board: &Board, area: Rect) {
    let mut causes: Vec<(&String, &u64)> = board.errors.iter().collect();
    causes.sort_by(|one, other| other.1.cmp(one.1).then(one.0.cmp(other.0)));
    let block = Block::bordered().title("Errors by cause");
    if causes.is_empty() {
        return frame.render_widget(Paragraph::new("none so far").block(block), area);
    }
    let rows = causes.into_iter().map(|(cause, count)| Row::new([count.to_string(), cause.clone()]));
    frame.render_widget(Table::new(rows, [Constraint::Length(9), Constraint::Fill(1)]).block(block), area);
}

fn draw_agents(frame: &mut Frame<'_>, board: &Board, area: Rect) {
    let agents: &[AgentView] = board.newest().map_or(&[], |now| &now.agents);
    let row = |agent: &AgentView| {
        Row::new([
            agent.agent.to_string(),
            format!("CPU {:.0} %", agent.cpu_percent),
            format!("waited {:.0} %", agent.run_delay_percent),
            format!("stall {:.1} ms", agent.longest_stall_ms),
        ])
    };
    let widths = [Constraint::Length(3), Constraint::Length(9), Constraint::Length(12), Constraint::Fill(1)];
    let table = Table::new(agents.iter().map(row), widths).block(Block::bordered().title("Generator"));
    frame.render_widget(table, area);
}
