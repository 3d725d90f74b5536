//! A board, drawn: phases and their times above, charts in the middle, replicas, faults and errors below them, and what the
//! console says at the end. Nothing is shown that is not on the board.

use erlmcp_report::SecondView;
use erlmcp_report::board::{Board, BoardPhase, Progress};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, Paragraph};

use super::tables;

/// Below this there is no room for charts.
const CHART_ROWS_MIN: u16 = 5;
const WIDE: u16 = 100;
/// Lines of the newest second's figures.
const FIGURES: u16 = 5;

pub(super) fn draw(frame: &mut Frame<'_>, board: &Board, (now_ms, hint): (u64, &str)) {
    // However few phases there are, the figures beside them want their lines.
    let lines = (board.phases.len() as u16).clamp(FIGURES, 9);
    let rows = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(lines + 2),
        Constraint::Fill(2),
        Constraint::Fill(2),
        Constraint::Length(5),
    ]);
    let [head, top, charts, lower, said] = rows.areas(frame.area());
    frame.render_widget(heading(board, now_ms, hint), head);
    let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(top);
    frame.render_widget(phase_list(board, now_ms), left);
    frame.render_widget(now_box(board), right);
    draw_charts(frame, board, charts);
    tables::draw(frame, board, lower);
    frame.render_widget(last_lines(board, said), said);
}

fn heading(board: &Board, now_ms: u64, hint: &str) -> Line<'static> {
    let target = if board.target.is_empty() { "starting" } else { board.target.as_str() };
    let calls = if board.calls.is_empty() { String::new() } else { format!("  {}", board.calls) };
    let stands = match (board.stands(), board.left_ms(now_ms)) {
        (Some(stands), _) => format!(", {stands}"),
        (None, Some(left_ms)) if !board.phases.is_empty() => format!(", about {} left", clock(left_ms)),
        _ => String::new(),
    };
    let times = format!("  {} elapsed{stands}", clock(board.elapsed_ms(now_ms)));
    Line::from(vec![
        Span::styled("erlmcp ", Style::new().add_modifier(Modifier::BOLD)),
        Span::styled(format!(" {hint} "), Style::new().fg(Color::DarkGray)),
        Span::raw(format!("{times}  {target}{calls}")),
    ])
}

fn phase_list(board: &Board, now_ms: u64) -> Paragraph<'static> {
    let lines: Vec<Line<'_>> = board.phases.iter().map(|phase| phase_line(phase, board, now_ms)).collect();
    Paragraph::new(lines).block(Block::bordered().title("Phases"))
}

/// The mark says how far it is, so that no colour has to.
fn phase_line(phase: &BoardPhase, board: &Board, now_ms: u64) -> Line<'static> {
    let name = format!("{}. {}", phase.number, phase.title);
    match phase.progress {
        Progress::Waiting => {
            let about = phase.estimated_ms.map_or_else(String::new, |ms| format!("  about {}", clock(ms)));
            Line::from(format!("  {name}{about}"))
        }
        Progress::Done { took_ms } => Line::from(format!("✓ {name}  {}", clock(took_ms))),
        Progress::Skipped => Line::styled(format!("- {name}  skipped"), Style::new().fg(Color::DarkGray)),
        Progress::Running { since_ms } => {
            let left = match (board.stands(), phase.left_ms(now_ms)) {
                (Some(_), _) => ", no end recorded".into(),
                (None, None) => String::new(),
                (None, Some(0)) => ", longer than estimated".into(),
                (None, Some(left)) => format!(", about {} left", clock(left)),
            };
            let scenario = board.scenario.as_ref().map(|scenario| format!("  {scenario}")).unwrap_or_default();
            let text = format!("▶ {name}{scenario}  {}{left}", clock(now_ms.saturating_sub(since_ms)));
            Line::styled(text, Style::new().add_modifier(Modifier::BOLD))
        }
    }
}

/// The newest second in figures.
fn now_box(board: &Board) -> Paragraph<'static> {
    let Some(now) = board.newest() else {
        return Paragraph::new("nothing measured yet").block(Block::bordered().title("Now"));
    };
    let server = now.connections_server.map_or(String::new(), |count| format!(" (server: {count})"));
    let rate = |value: Option<f64>| value.map_or("-".into(), |rate| format!("{rate:.0}"));
    let of_offered = offered(now).map_or(String::new(), |offered| format!(" of {offered:.0} offered"));
    let ms = |value: Option<f64>| value.map_or("-".into(), |ms| format!("{ms:.2}"));
    let lines = vec![
        Line::from(format!("connections  {}{server}", rate(connections(now)))),
        Line::from(format!("requests/s   {}{of_offered}", rate(answered(now)))),
        Line::from(format!("P50/P95/P99  {} / {} / {} ms", ms(now.p50_ms), ms(now.p95_ms), ms(now.p99_ms))),
        Line::from(format!("errors       {} in this second", now.errors.values().sum::<u64>())),
        Line::from(faults(now)),
    ];
    Paragraph::new(lines).block(Block::bordered().title(format!("Second {}", now.second)))
}

fn faults(now: &SecondView) -> String {
    let named = |fault: &erlmcp_report::ActiveFault| match fault.replica {
        Some(replica) => format!("{} on replica {replica} ({})", fault.scenario.replace('_', " "), fault.method),
        None => format!("{} ({})", fault.scenario.replace('_', " "), fault.method),
    };
    let all: Vec<String> = now.faults.iter().map(named).collect();
    format!("faults       {}", if all.is_empty() { "none".into() } else { all.join(", ") })
}

/// Requests/s that were to be sent.
fn offered(second: &SecondView) -> Option<f64> {
    second.is_loaded().then_some(second.offered_rps)
}

/// Requests/s by the agents, or without them by the replicas' own counts; None where these are not known.
fn answered(second: &SecondView) -> Option<f64> {
    if second.is_loaded() {
        return Some(second.answered_rps);
    }
    let by_replicas: Option<f64> = second.replicas.iter().map(|replica| replica.answered_rps).sum();
    by_replicas.filter(|_| !second.replicas.is_empty())
}

fn connections(second: &SecondView) -> Option<f64> {
    second.open().map(|open| open as f64)
}

/// One line of a chart: its name, its mark and how that looks, its colour, and its figure of a second.
type Curve = (&'static str, (Marker, char), Color, fn(&SecondView) -> Option<f64>);

/// A chart and its lines; on a logarithmic scale one slow second does not flatten all others.
struct Plot {
    title: &'static str,
    is_logarithmic: bool,
    curves: &'static [Curve],
}

const DOT: (Marker, char) = (Marker::Dot, '•');
const BRAILLE: (Marker, char) = (Marker::Braille, '⠒');
const BLOCK: (Marker, char) = (Marker::Block, '█');

static PLOTS: [Plot; 3] = [
    Plot {
        title: "Requests/s",
        is_logarithmic: false,
        curves: &[("offered", DOT, Color::Gray, offered), ("answered", BRAILLE, Color::Green, answered)],
    },
    Plot {
        title: "Latency, ms",
        is_logarithmic: true,
        curves: &[
            ("P50", DOT, Color::Gray, |second| second.p50_ms),
            ("P95", BRAILLE, Color::Yellow, |second| second.p95_ms),
            ("P99", BLOCK, Color::Red, |second| second.p99_ms),
        ],
    },
    Plot { title: "Connections", is_logarithmic: false, curves: &[("open", BRAILLE, Color::Cyan, connections)] },
];

fn draw_charts(frame: &mut Frame<'_>, board: &Board, area: Rect) {
    if area.height < CHART_ROWS_MIN {
        return;
    }
    let plots = if area.width >= WIDE { &PLOTS[..] } else { &PLOTS[..2] };
    let areas = Layout::horizontal(plots.iter().map(|_| Constraint::Fill(1))).split(area);
    for (plot, area) in plots.iter().zip(areas.iter()) {
        draw_chart(frame, board, plot, *area);
    }
}

fn draw_chart(frame: &mut Frame<'_>, board: &Board, plot: &Plot, area: Rect) {
    // Two points a column is what braille shows.
    let shown = usize::from(area.width) * 2;
    let skipped = board.seconds.len().saturating_sub(shown);
    let scaled = |value: f64| if plot.is_logarithmic { value.max(LEAST_MS).log10() } else { value };
    let lines: Vec<Vec<Vec<(f64, f64)>>> = plot
        .curves
        .iter()
        .map(|(_, _, _, of)| {
            let point = |second: &SecondView| Some((f64::from(second.second), scaled(of(second)?)));
            pieces(board.seconds.iter().skip(skipped).map(point))
        })
        .collect();
    let first = board.seconds.get(skipped).map_or(0, |second| second.second);
    let last = board.seconds.back().map_or(0, |second| second.second).max(first + 1);
    let values = || lines.iter().flatten().flatten().map(|point| point.1);
    let up = if plot.is_logarithmic { decades(values()) } else { from_zero(values()) };
    let measured = || plot.curves.iter().zip(&lines).filter(|(_, pieces)| !pieces.is_empty());
    let datasets = measured().flat_map(|((_, (marker, _), colour, _), pieces)| {
        let drawn = Dataset::default().marker(*marker).graph_type(GraphType::Line).style(*colour);
        pieces.iter().map(move |points| drawn.clone().data(points))
    });
    let across =
        Axis::default().bounds([f64::from(first), f64::from(last)]).labels([format!("{first} s"), format!("{last} s")]);
    let chart =
        Chart::new(datasets.collect()).block(Block::bordered().title(legend(plot, measured().map(|(curve, _)| curve))));
    frame.render_widget(chart.x_axis(across).y_axis(up), area);
}

/// A line, cut where a second has no value.
fn pieces(points: impl Iterator<Item = Option<(f64, f64)>>) -> Vec<Vec<(f64, f64)>> {
    let points: Vec<_> = points.collect();
    let pieces = points.split(Option::is_none).filter(|piece| !piece.is_empty());
    pieces.map(|piece| piece.iter().copied().flatten().collect()).collect()
}

/// "Latency, ms  • P50  ⠒ P95  █ P99": within a chart there is no room for it most of the time. Of a plot with a single line
/// the title says it all.
fn legend<'a>(plot: &Plot, measured: impl Iterator<Item = &'a Curve>) -> Line<'static> {
    let names = measured.filter(|_| plot.curves.len() > 1);
    let names = names.map(|(name, (_, mark), colour, _)| Span::styled(format!("  {mark} {name}"), *colour));
    Line::from_iter(std::iter::once(Span::raw(plot.title)).chain(names))
}

/// Nothing is drawn lower on a logarithmic scale.
const LEAST_MS: f64 = 0.001;

fn from_zero(values: impl Iterator<Item = f64>) -> Axis<'static> {
    let most = values.fold(0.0, f64::max);
    let most = if most > 0.0 { most * 1.05 } else { 1.0 };
    Axis::default().bounds([0.0, most]).labels(["0".to_string(), short(most)])
}

/// Whole powers of ten around the logarithms of some figures.
fn decades(values: impl Iterator<Item = f64> + Clone) -> Axis<'static> {
    let (least, most) = (values.clone().fold(f64::INFINITY, f64::min), values.fold(f64::NEG_INFINITY, f64::max));
    let (least, most) = if least <= most { (least.floor(), most.ceil()) } else { (0.0, 1.0) };
    let most = most.max(least + 1.0);
    let labels = (least as i32..=most as i32).map(|power| short(10_f64.powi(power)));
    Axis::default().bounds([least, most]).labels(labels)
}

fn last_lines(board: &Board, area: Rect) -> Paragraph<'static> {
    let room = usize::from(area.height.saturating_sub(2));
    let lines = board.lines.iter().skip(board.lines.len().saturating_sub(room));
    Paragraph::new(lines.map(|line| Line::from(line.clone())).collect::<Vec<_>>())
        .block(Block::bordered().title("Said"))
}

/// "4:05", "1:02:03".
fn clock(ms: u64) -> String {
    let s = ms / 1_000;
    match s / 3_600 {
        0 => format!("{}:{:02}", s / 60, s % 60),
        hours => format!("{hours}:{:02}:{:02}", s / 60 % 60, s % 60),
    }
}

/// A figure for an axis: "12.6K", "0.83".
fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.1}M", value / 1e6),
        value if value >= 1e4 => format!("{:.1}K", value / 1e3),
        value if value >= 10.0 => format!("{value:.0}"),
        value if value >= 0.01 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    }
}
