//! Draw: the model on a terminal's cells.

use super::model::{HEADINGS, Model};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Row, Table, TableState};

/// Widths of the table's columns, in cells, as `HEADINGS`.
const WIDTHS: [u16; HEADINGS.len()] = [7, 18, 30, 6, 14, 9, 11, 8, 11];

/// Draws everything.
pub fn all(frame: &mut Frame<'_>, model: &Model) {
    let rows = u16::try_from(model.processes.len()).unwrap_or(u16::MAX).saturating_add(2);
    let areas = Layout::vertical([
        Constraint::Length(2),
        Constraint::Max(rows),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .split(frame.area());
    head(frame, model, areas[0]);
    nodes(frame, model, areas[1]);
    history(frame, model, areas[2]);
    keys(frame, areas[3]);
}

fn head(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let (state, is_whole) = model.state();
    let color = if is_whole { Color::Green } else { Color::Red };
    let up = model.started.elapsed().as_secs();
    let lines = vec![
        Line::from(Span::styled(model.title.as_str(), Style::new().add_modifier(Modifier::BOLD))),
        Line::from(vec![
            Span::styled(state, Style::new().fg(color)),
            Span::raw(format!("    up {}:{:02}:{:02}", up / 3600, up / 60 % 60, up % 60)),
        ]),
    ];
    frame.render_widget(Paragraph::new(lines), area);
}

fn nodes(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let style = |is_in_trouble, is_primary| match (is_in_trouble, is_primary) {
        (true, _) => Style::new().fg(Color::Red),
        (false, true) => Style::new().add_modifier(Modifier::BOLD),
        (false, false) => Style::new(),
    };
    let rows: Vec<Row<'_>> = model
        .rows()
        .into_iter()
        .map(|row| Row::new(row.cells).style(style(row.is_in_trouble, row.is_primary)))
        .collect();
    let heading = Row::new(HEADINGS).style(Style::new().add_modifier(Modifier::UNDERLINED));
    let table = Table::new(rows, WIDTHS)
        .header(heading)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
        .highlight_symbol("> ");
    let mut state = TableState::new().with_selected(Some(model.selected));
    frame.render_stateful_widget(table, area, &mut state);
}

fn history(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let room = usize::from(area.height.saturating_sub(1));
    let first = model.history.len().saturating_sub(room);
    let lines: Vec<Line<'_>> = model
        .history
        .iter()
        .skip(first)
        .map(|told| {
            let style = if told.event.is_failover {
                Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD)
            } else {
                Style::new()
            };
            Line::from(Span::styled(format!("{} {}", told.time, told.event.text), style))
        })
        .collect();
    let block = Block::new().borders(Borders::TOP).title("history");
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn keys(frame: &mut Frame<'_>, area: Rect) {
    let text =
        "up/down choose   k kill   h kill and hold down / start   r restart   f fail over   q stop all";
    frame.render_widget(Paragraph::new(text).style(Style::new().add_modifier(Modifier::DIM)), area);
}

#[cfg(test)]
mod tests {
    use super::super::super::story::Event;
    use super::super::model::Told;
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use std::time::Instant;

    #[test]
    fn nodes_and_history_are_on_the_screen_at_any_size() {
        let mut model = Model::new("redan up".into(), vec![7001, 7002], Instant::now());
        model.tell(Told {
            time: "10:00:00.000".into(),
            event: Event { text: "7002 took over from 7001 after 1.60 s".into(), is_failover: true },
        });
        let mut terminal = Terminal::new(TestBackend::new(120, 24)).unwrap();
        terminal.draw(|frame| all(frame, &model)).unwrap();
        let text = format!("{}", terminal.backend());
        for part in ["redan up", "7001", "does not answer", "took over from 7001 after 1.60 s", "q stop all"]
        {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        for (columns, lines) in [(1, 1), (20, 5), (300, 100)] {
            let mut terminal = Terminal::new(TestBackend::new(columns, lines)).unwrap();
            terminal.draw(|frame| all(frame, &model)).unwrap();
        }
    }
}
