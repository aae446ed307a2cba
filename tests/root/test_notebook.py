"""A real Jupyter kernel runs a search: progress stays in one place, the result displays itself."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest

from lrsearch import load as load_run
from lrsearch.reports.notebook import in_notebook, result_html
from lrsearch.search import SearchResult

JOB = """
import torch, lrsearch

class Data(torch.utils.data.Dataset):
    def __len__(self): return 32
    def __getitem__(self, i): return torch.full((4,), float(i % 3))

def objective(run):
    torch.manual_seed(run.seed)
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), momentum=0.9)
    loader = torch.utils.data.DataLoader(Data(), batch_size=8)
    scheduler = run.scheduler(optimizer, len(loader))
    for _ in range(run.epochs):
        for x in loader:
            loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
            optimizer.zero_grad(); loss.backward(); optimizer.step(); scheduler.step()
        yield {"train_loss": loss.item(), "val_loss": loss.item() + torch.rand(1).item()}
"""


def run_cells(folder: Path, *cells: str) -> list[list[Any]]:
    """The outputs of every cell of a notebook that a kernel has run."""
    nbformat: Any = pytest.importorskip("nbformat")
    nbclient: Any = pytest.importorskip("nbclient")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(book, timeout=900, resources={"metadata": {"path": str(folder)}}).execute()
    return [cell.outputs for cell in book.cells]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning")
def test_a_kernel_shows_progress_in_one_place_and_the_result_as_a_picture(tmp_path: Path) -> None:
    search = "lrsearch.run(objective, budget=8, epochs=4, jobs={}, device='cpu', confirm=0, study='jobs{}')"
    _, alone, table, loaded, processes = run_cells(
        tmp_path,
        JOB,
        f"result = {search.format(1, 1)}\nresult",
        "result.dataframe().shape",
        "lrsearch.load('runs/jobs1')",
        search.format(2, 2),
    )
    for ran in (alone, processes):
        assert [o.text for o in ran if o.output_type == "stream"] == [], "no line for each trial, no warning"
        assert [o.output_type for o in ran] == ["display_data", "execute_result"]
        progress, shown = (o.data for o in ran)
        assert "8/8 trials" in progress["text/plain"]
        assert "complete" in progress["text/plain"]
        assert "Use a" in shown["text/html"]
        assert "<SearchResult 'jobs" in shown["text/plain"]
    assert alone[-1].data["text/html"] == loaded[0].data["text/html"]
    assert table[0].data["text/plain"].startswith("(8, ")


def test_the_picture_is_the_reports_first_screen_and_says_it_in_words(digits_run: SearchResult) -> None:
    page = result_html(digits_run)
    assert load_run(digits_run.folder or "")._repr_html_() == page
    (picture,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)
    drawn = base64.b64decode(picture).decode()
    assert drawn.startswith("<svg")
    assert digits_run.best.schedule is not None
    assert digits_run.best.schedule.describe() in drawn
    (alt,) = re.findall(r'alt="([^"]+)"', page)
    assert alt.startswith("Use a")
    assert "report.html" in page


def test_a_result_without_a_complete_trial_says_why(digits_run: SearchResult) -> None:
    from dataclasses import replace

    page = result_html(replace(digits_run, trials=(), confirmation=None))
    assert "There is no answer yet" in page
    assert "<img" not in page


def test_a_plain_process_is_no_notebook() -> None:
    assert not in_notebook()
