"""The master's console in a real browser, before made-up masters: what a person reads and does."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from . import states
from .browser import Browser, Page
from .conftest import FakeMaster, serve

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]

PAGES = ("", "frameworks", "agents", "tasks", "offers", "roles")
IN_A_HURRY = """
    const later = window.setTimeout, limit = AbortSignal.timeout;
    window.setTimeout = (then, ms, ...more) => later(then, ms / 20, ...more);
    AbortSignal.timeout = (ms) => limit.call(AbortSignal, ms / 20);
"""
LOADED = "document.getElementById('freshness').textContent.startsWith('Updated')"


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A tab whose clock of refreshes runs fast."""
    async with browser.page(IN_A_HURRY) as opened:
        yield opened


async def look(page: Page, url: str, name: str = "") -> None:
    """Open a page of the console and wait until it shows what the master says."""
    await page.open(f"{url}#/{name}")
    await page.until(LOADED)


async def rows(page: Page, title: str) -> list[list[str]]:
    """Return what a table shows, as text, without the columns that are hidden."""
    found: list[list[str]] = await page.evaluate(f"""
        [...document.querySelector(`table[aria-label={json.dumps(title)}]`).tBodies[0].rows].map(
            (row) => [...row.cells].filter((cell) => !cell.hidden).map(
                (cell) => cell.innerText.trim()))""")
    return found


async def heads(page: Page, title: str) -> list[str]:
    found: list[str] = await page.evaluate(f"""
        [...document.querySelectorAll(`table[aria-label={json.dumps(title)}] thead th`)].filter(
            (cell) => !cell.hidden).map((cell) => cell.innerText.replace(/ [↑↓]$/, ""))""")
    return found


async def records(page: Page, title: str) -> list[dict[str, str]]:
    """Return a table's rows by the titles of its columns."""
    titles = await heads(page, title)
    return [dict(zip(titles, row, strict=True)) for row in await rows(page, title)]


# -- what it says ---------------------------------------------------------------------------------


async def test_the_overview_says_what_there_is_and_who_has_it(
    page: Page, url: str, master: FakeMaster
) -> None:
    master.state, master.weights = states.busy(), {"analytics": 2.0}
    await look(page, url)

    amounts = await page.evaluate("""Object.fromEntries(
        [...document.querySelectorAll(".amounts tbody tr:not([aria-hidden])")].map((row) =>
            [row.cells[0].innerText, [...row.cells].slice(1).map((cell) => cell.innerText)]))""")
    assert amounts["CPUs"] == ["72", "3", "93", "168"]  # allocated, offered, idle, total
    assert amounts["Memory"] == ["65.6 GB", "8 GB", "294 GB", "368 GB"]
    text = await page.text()
    assert "19 active, 1 inactive" in text
    assert "3 registered, 1 completed" in text
    assert "56 RUNNING" in text
    assert "2 FAILED" in text

    analytics, web, frontend = await records(page, "Roles")
    assert (analytics["Role"], analytics["Weight"], analytics["CPUs"]) == ("analytics", "2", "62")
    assert analytics["Dominant share"] == "36.9 % CPUs"
    assert frontend["CPUs"] == "10"  # allocated; the share counts the 3 that are offered as well
    assert analytics["Share / weight"] == "0.18"
    assert web["Dominant share"] == frontend["Dominant share"] == "7.7 % CPUs"

    frameworks = await records(page, "Frameworks")
    assert [each["Name"] for each in frameworks] == ["nightly report", "batch", "services"]
    assert [each["State"] for each in frameworks] == ["Active", "Disconnected", "Active"]
    assert frameworks[0]["Dominant share"] == "25 % CPUs"
    assert frameworks[0]["Active tasks"] == "20"
    assert page.errors == []


async def test_a_failed_task_says_why_and_where_to_read_more(
    page: Page, url: str, master: FakeMaster
) -> None:
    master.state = states.busy()
    await look(page, url)

    failed = {each["Task ID"]: each for each in await records(page, "Failed tasks")}

    assert set(failed) == {"900", "901", "web-lost"}
    assert failed["900"]["State"] == "FAILED"
    why = failed["900"]["Reason and message"]
    assert why.split("\n") == [
        "CONTAINER_LIMITATION_MEMORY", "Memory limit exceeded: peak 2.3 GB, limit 2 GB",
    ]  # fmt: skip
    assert failed["901"]["Reason and message"].endswith("has no column 'user_id'")
    assert "line 61" not in failed["901"]["Reason and message"]
    await page.evaluate("document.querySelector('details summary').click()")
    (unfolded,) = [row for row in await records(page, "Failed tasks") if row["Task ID"] == "901"]
    assert "line 61" in unfolded["Reason and message"]

    links = await page.evaluate("""Object.fromEntries([...document.querySelectorAll(
        "[aria-label$='of task 900']")].map((link) => [link.innerText, link.href]))""")
    sandbox = (
        f"http://node2:5051/#/browse/frameworks/{states.MASTER}-0001/executors/exec-2/runs/latest"
    )
    assert links == {
        "stdout": f"{sandbox}/stdout", "stderr": f"{sandbox}/stderr", "sandbox": f"{sandbox}/",
    }  # fmt: skip
    assert failed["web-lost"]["Sandbox"] == ""  # its agent is gone


async def test_a_task_of_a_default_executor_has_its_own_directory(
    page: Page, url: str, master: FakeMaster
) -> None:
    node = states.agent(1)
    owner = states.framework(
        1, "pods",
        tasks=[states.task("a/b", node, executor_id="default")],
        executors=[states.executor("default", node, type="DEFAULT")],
    )  # fmt: skip
    master.state = states.state([node], [owner])
    await look(page, url, "tasks")

    href = await page.evaluate("document.querySelector('[aria-label=\"stdout of task a/b\"]').href")

    assert href.endswith("/executors/default/runs/latest/tasks/a%2Fb/stdout")


@pytest.mark.parametrize(
    ("name", "tables"),
    [
        ("frameworks", {"Registered": 3, "Completed": 1}),
        ("agents", {"Registered": 20}),
        ("tasks", {"Active tasks": 60, "Unreachable tasks": 1, "Completed tasks": 24}),
        ("offers", {"Outstanding offers": 1}),
        ("roles", {"Roles": 4}),
        (
            f"frameworks/{states.MASTER}-0001",
            {
                "Active tasks": 20,
                "Executors": 20,
                "Unreachable tasks": 0,
                "Completed tasks": 22,
                "Outstanding offers": 0,
            },
        ),
        (
            f"agents/{states.MASTER}-S1",
            {"Active tasks": 3, "Executors": 1, "Completed tasks": 2, "Outstanding offers": 1},
        ),
    ],
)
async def test_each_page_has_its_tables(
    page: Page, url: str, master: FakeMaster, name: str, tables: dict[str, int]
) -> None:
    master.state = states.busy()
    await look(page, url, name)

    counts = await page.evaluate("""Object.fromEntries(
        [...document.querySelectorAll(".table-head h2")].map((heading) =>
            [heading.firstChild.data.trim(), Number(heading.lastChild.innerText)]))""")

    assert counts == tables
    assert page.errors == []


async def test_agents_on_one_host_are_told_apart(page: Page, url: str, master: FakeMaster) -> None:
    nodes = [states.agent(n, hostname="here", pid=f"slave(1)@10.0.0.1:{5050 + n}") for n in (1, 2)]
    owner = states.framework(
        1, "both", tasks=[states.task(str(number), node) for number, node in enumerate(nodes)]
    )
    master.state = states.state([*nodes, states.agent(3)], [owner])
    await look(page, url, "tasks")
    assert {row["Agent"] for row in await records(page, "Active tasks")} == {
        "here:5051", "here:5052",
    }  # fmt: skip

    await page.evaluate("document.querySelector('td[data-label=Agent] a').click()")
    await page.until("document.querySelector('h1').innerText.startsWith('Agent here:505')")
    assert await page.evaluate("document.title.startsWith('Agent here:505')")


async def test_custom_resources_and_gpus_count(page: Page, url: str, master: FakeMaster) -> None:
    node = states.agent(1, {**states.amounts(8, 1024), "licences": 4.0})
    owner = states.framework(1, "cad", tasks=[states.task("t", node)])
    owner["resources"]["licences"] = node["used_resources"]["licences"] = 3.0
    master.state = states.state([node], [owner])
    await look(page, url, "frameworks")

    (row,) = await records(page, "Registered")

    assert row["Dominant share"] == "75 % licences"
    assert "GPUs" not in row  # nobody has any
    master.state["flags"]["fair_sharing_excluded_resource_names"] = "licences,mem"
    await page.until("document.body.innerText.includes('12.5 % CPUs')")


async def test_an_empty_cluster_says_so(page: Page, url: str, master: FakeMaster) -> None:
    await look(page, url)
    text = await page.text()
    for words in ("There are no resources yet", "No framework is registered", "none yet"):
        assert words in text
    for name in PAGES[1:]:
        await look(page, url, name)
        assert "NaN" not in await page.text()
    assert page.errors == []


@pytest.mark.parametrize("address", ["nowhere", "frameworks/forgotten", "agents/x", "%E0%A4%A/%"])
async def test_an_address_that_leads_nowhere_says_so(page: Page, url: str, address: str) -> None:
    await look(page, url, address)
    text = await page.text()
    assert "no such page" in text or "does not know this" in text
    assert page.errors == []


# -- it stays true --------------------------------------------------------------------------------


async def test_the_page_follows_the_master_by_itself(
    page: Page, url: str, master: FakeMaster
) -> None:
    master.state = states.busy()
    await look(page, url)
    await page.evaluate("window.sameDocument = true")

    master.state = states.state(
        [states.agent(1)], [], [states.framework(9, "all done", unregistered_time=states.NOW)]
    )
    await page.until("document.body.innerText.includes('0 registered, 1 completed')")

    assert await page.evaluate("window.sameDocument")
    assert await rows(page, "Frameworks") == []
    assert "1 active" in await page.text()


async def test_a_refresh_comes_every_two_seconds(
    browser: Browser, url: str, master: FakeMaster
) -> None:
    async with browser.page() as page:
        await look(page, url)
        master.reads = 0
        began = await page.evaluate("performance.now()")
        await page.evaluate("document.getElementById('cluster').textContent = 'unread'")
        await page.until("document.getElementById('cluster').textContent === 'lab'")
        passed_ms = await page.evaluate("performance.now()") - began
    assert master.reads == 1
    assert passed_ms < 10_000


async def test_selection_focus_folds_filter_and_scroll_survive_a_refresh(
    page: Page, url: str, master: FakeMaster
) -> None:
    master.state = states.busy()
    await page.resize(1280, 500)
    await look(page, url, "tasks")
    await page.evaluate("""{
        const find = document.querySelector("[aria-label='Find in Completed tasks']");
        find.value = "90";
        find.dispatchEvent(new Event("input"));
        const [task] = document.querySelectorAll("[aria-label='Completed tasks'] td.id");
        const more = document.querySelector("details");
        more.open = true;
        more.querySelector("summary").focus({ preventScroll: true });
        getSelection().selectAllChildren(task);
        window.scrollTo(0, 700);
        const row = document.elementFromPoint(400, 250).closest("tr"); // what is being read
        window.kept = { task, more, row, text: String(getSelection()) };
        kept.top = row.getBoundingClientRect().top;
    }""")

    web = master.state["frameworks"][1]["tasks"]
    web.append(web[0] | {"id": "brand-new", "statuses": []})
    web[1]["state"] = "TASK_KILLING"
    await page.until("document.body.innerText.includes('brand-new')")

    found = await page.evaluate("""({
        selected: String(getSelection()) === kept.text && kept.text !== "",
        connected: kept.task.isConnected && kept.more.isConnected,
        open: kept.more.open,
        focused: document.activeElement === kept.more.querySelector("summary"),
        filter: document.querySelector("[aria-label='Find in Completed tasks']").value,
        still: Math.abs(kept.row.getBoundingClientRect().top - kept.top) < 1,
    })""")
    assert found == {
        "selected": True, "connected": True, "open": True, "focused": True, "filter": "90",
        "still": True,
    }  # fmt: skip
    assert "KILLING" in await page.text()
    assert len(await rows(page, "Completed tasks")) == 2


async def test_a_refresh_that_brings_nothing_new_touches_nothing(
    page: Page, url: str, master: FakeMaster
) -> None:
    master.state = states.busy()
    await look(page, url)
    await page.evaluate("""{
        window.changes = [];
        const note = ({ target }) => {
            const element = target instanceof Element ? target : target.parentElement;
            if (!element.closest("time, #freshness")) changes.push(element.outerHTML);
        };
        new MutationObserver((list) => list.forEach(note)).observe(
            document.body, { childList: true, subtree: true, characterData: true });
        const ask = window.fetch;
        window.asked = 0;
        window.fetch = (...all) => { asked += 1; return ask(...all); };
    }""")

    await page.until("asked >= 6")  # for /state and /roles, two and a half times

    assert await page.evaluate("changes") == []


# -- trouble --------------------------------------------------------------------------------------

PROBLEM = "!document.getElementById('problem').hidden"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("refuses", "answers 503: No leader elected"),
        ("hangs", "has not answered within 10 s"),
        ("nonsense", "answers what is not JSON"),
        ("another layout", "says what this page does not understand"),
    ],
)
async def test_a_master_that_does_not_answer_well_is_named_on_the_page(
    page: Page, url: str, master: FakeMaster, answer: str, words: str
) -> None:
    master.answer = answer
    await page.open(url)
    await page.until(PROBLEM)

    text = await page.text("body")
    assert f"The master {words}" in text
    assert "Waiting for the master" in await page.text()

    master.state, master.answer = states.busy(), "well"
    await page.until(f"{LOADED} && !({PROBLEM})")
    assert "nightly report" in await page.text()


async def test_the_last_known_state_stays_when_the_master_goes_away(page: Page) -> None:
    master = FakeMaster()
    master.state = states.busy()
    async with serve(master) as url:
        await look(page, url)
    await page.until(PROBLEM)

    text = await page.text("body")
    assert "The master cannot be reached. Below is what was known before" in text
    assert "nightly report" in text
    freshness = await page.text("#freshness")
    assert freshness.startswith("Stale: updated")


# -- hostile names --------------------------------------------------------------------------------

HOSTILE = (
    "<script>window.pwned = 1</script>",
    '"><img src=x onerror="window.pwned = 1">',
    "</title></td></table><svg onload='window.pwned = 1'>",
    "${window.pwned = 1} {{constructor}} `'\"&lt;",
    "javascript:window.pwned=1",
    "../../%2e%2e/#/tasks?x=1&y=2",
    "\u202eright to left\u0000\u200b",
    "an-unbroken-name-" + "x" * 5000,
)


def hostile(name: str) -> dict[str, Any]:
    """Return a state in which everything is called so."""
    node = states.agent(1, hostname=name, attributes={name: name}, version=name)
    node["id"] = name
    done = states.task(name, node, "TASK_FAILED", name=name, reason=name, message=name)
    lists: dict[str, Any] = {
        "tasks": [states.task(f"{name}.", node, name=name, executor_id=name)],
        "completed_tasks": [done],
        "executors": [states.executor(name, node, name=name, role=name)],
        "offers": [states.offer(1, node, states.amounts(1, 1))],
    }
    owner = states.framework(
        1, name, name, user=name, hostname=name, webui_url=name, principal=name, **lists
    )
    for holder in [owner, *(each for kind in lists.values() for each in kind)]:
        holder["id" if holder is owner else "framework_id"] = name
    state = states.state([node], [owner], [dict(owner, id=f"{name}!")])
    return state | {"cluster": name, "hostname": name, "leader": name, "version": name}


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
async def test_names_are_text_whatever_they_say(
    page: Page, url: str, master: FakeMaster, name: str
) -> None:
    master.state = hostile(name)
    scripts = None
    part = await page.evaluate(f"encodeURIComponent({json.dumps(name)})")
    for address in (*PAGES, f"frameworks/{part}", f"agents/{part}"):
        await look(page, url, address)
        facts = await page.evaluate("""({
            pwned: "pwned" in window,
            elements: [...document.querySelectorAll("script, img, svg, iframe")].map(
                (element) => element.outerHTML),
            handlers: document.querySelectorAll("[onload], [onerror], [onclick]").length,
            bad: [...document.links].filter((link) => !/^https?:$/.test(link.protocol)).length,
            wide: document.documentElement.scrollWidth > window.innerWidth,
        })""")
        scripts = scripts or facts["elements"]
        assert facts == {
            "pwned": False, "elements": scripts, "handlers": 0, "bad": 0, "wide": False,
        }, address  # fmt: skip
        assert "does not know" not in await page.text(), address
        text = await page.evaluate("document.querySelector('main').textContent")
        assert name[:100] in text, address
    assert page.errors == []


# -- for everybody --------------------------------------------------------------------------------


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_text_has_contrast_and_nothing_sticks_out(
    page: Page, url: str, master: FakeMaster, dark: bool
) -> None:
    master.state = states.busy()
    for width in (1280, 390):
        await page.resize(width, 844, dark=dark)
        for name in (*PAGES, f"frameworks/{states.MASTER}-0001", f"agents/{states.MASTER}-S1"):
            await look(page, url, name)
            assert await page.evaluate(CONTRAST) == [], name
            wide = "document.documentElement.scrollWidth > window.innerWidth"
            assert not await page.evaluate(wide), name


CONTRAST = """(() => {
    const parse = (color) => color.match(/[\\d.]+/g).map(Number);
    const light = (color) => {
        const [r, g, b] = color.slice(0, 3).map((part) => part / 255).map((part) =>
            part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (element) => {
        for (let each = element; each; each = each.parentElement) {
            const color = parse(getComputedStyle(each).backgroundColor);
            if (color.length === 3 || color[3] === 1) return color;
        }
        return [255, 255, 255];
    };
    const poor = new Set();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
        const pair = [light(parse(getComputedStyle(element).color)), light(ground(element))];
        const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
        if (ratio < 4.5) poor.add(`${element.className || element.localName} ${ratio.toFixed(2)}`);
    }
    return [...poor];
})()"""


async def test_pages_can_be_heard_and_walked_by_keyboard(
    page: Page, url: str, master: FakeMaster
) -> None:
    master.state = states.busy()
    await look(page, url)
    for name in PAGES:
        await page.evaluate(f"location.hash = '#/{name}'")
        facts = await page.evaluate("""new Promise((done) => setTimeout(() => done({
            h1: document.querySelectorAll("h1").length,
            focused: document.activeElement.localName,
            title: document.title.startsWith(document.querySelector("h1").innerText),
            current: document.querySelectorAll("#nav [aria-current=page]").length,
            unnamed: [...document.querySelectorAll("a, button, input")].filter((each) =>
                !(each.getAttribute("aria-label") ?? each.innerText).trim()).length,
            heads: [...document.querySelectorAll("main thead th")].every((each) =>
                each.scope === "col" && each.innerText.trim() !== ""),
            tables: [...document.querySelectorAll("table.records")].every((each) =>
                each.getAttribute("aria-label")),
        }), 0))""")
        assert facts == {
            "h1": 1, "focused": "h1" if name else facts["focused"], "title": True, "current": 1,
            "unnamed": 0, "heads": True, "tables": True,
        }, name  # fmt: skip


async def test_a_table_is_sorted_by_its_heads_and_searched(
    page: Page, url: str, master: FakeMaster
) -> None:
    master.state = states.busy()
    await look(page, url, "agents")

    async def hosts() -> list[str]:
        return [row["Host"].partition(":")[0] for row in await records(page, "Registered")]

    assert (await hosts())[:3] == ["node0", "node1", "node2"]
    assert (await hosts())[-1] == "node19"  # numbers in names are numbers
    cpus = "[...document.querySelectorAll('thead button')].find((b) => b.innerText === 'CPUs')"
    await page.evaluate(f"{cpus}.click()")
    assert (await hosts())[0] in {"node1", "node7", "node11"} | set(await hosts())
    sorts = "[...document.querySelectorAll('th[aria-sort]')].map((th) => th.ariaSort)"
    assert await page.evaluate(sorts) == ["descending"]
    await page.evaluate("""{
        const find = document.querySelector("input[type=search]");
        find.value = "NODE1";
        find.dispatchEvent(new Event("input"));
    }""")
    assert len(await hosts()) == 11
    assert set(await hosts()) == {"node1", *(f"node1{digit}" for digit in range(10))}


# -- size -----------------------------------------------------------------------------------------

RENDER_MS_MAX = 200
SWITCH = """new Promise((done) => {
    const began = performance.now();
    window.addEventListener("hashchange", () => {
        document.body.getBoundingClientRect(); // lay it out, too
        done(performance.now() - began);
    }, { once: true });
    location.hash = %s;
})"""


async def test_a_large_cluster_is_drawn_at_once(page: Page, url: str, master: FakeMaster) -> None:
    master.state = states.busy(agents=500, tasks=1000)
    await look(page, url, "offers")
    quickest: dict[str, float] = dict.fromkeys(("", "tasks", "agents", "frameworks"), 1e9)
    for _ in range(5):  # others use this machine, too
        for name in quickest:
            await page.evaluate(SWITCH % "'#/roles'")
            taken = await page.evaluate(SWITCH % json.dumps(f"#/{name}"))
            quickest[name] = min(quickest[name], taken)
    assert max(quickest.values()) < RENDER_MS_MAX, quickest
    assert len(await rows(page, "Registered")) > 0


async def test_what_is_folded_away_can_be_shown(page: Page, url: str, master: FakeMaster) -> None:
    master.state = states.busy(agents=5, tasks=900)
    await look(page, url, "tasks")

    assert len(await rows(page, "Active tasks")) == 50
    more = "[...document.querySelectorAll('.more')][0]"
    assert await page.evaluate(f"{more}.innerText") == "Show more (850)"
    await page.evaluate(f"{more}.click()")
    assert len(await rows(page, "Active tasks")) == 200
    await page.until(f"{more}.innerText === 'Show more (700)'")  # and after the next refresh
