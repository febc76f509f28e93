"""Pages in a real Chromium: what people see and can do, by mouse, keyboard and screen reader."""
