"""Talks to a server with the protocol's own client, in the way of old and of new versions of the protocol.

mcp_client.py http URL
mcp_client.py stdio NAME=VALUE COMMAND ARGUMENT…
"""

import asyncio
import os
import sys

from mcp import Client, MCPError, StdioServerParameters, stdio_client


def server():
    if sys.argv[1] == "http":
        return sys.argv[2]
    name, value = sys.argv[2].split("=", 1)
    # The client passes on only a few variables by itself.
    environment = {**os.environ, name: value}
    return stdio_client(StdioServerParameters(command=sys.argv[3], args=sys.argv[4:], env=environment))


async def session(mode):
    async with Client(server(), mode=mode) as client:
        assert client.server_info.name == "proofloop", client.server_info
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"verify_lean", "run_python", "lean_diagnostics"}, tools
        # The client checks what comes back against the schema that the server gave.
        proof = {"formal_statement": "theorem t : 1 = 1 := by", "completion": "\n  rfl"}
        result = await client.call_tool("verify_lean", proof)
        assert result.structured_content["verdict"] == "accepted", result
        result = await client.call_tool("verify_lean", {**proof, "completion": "\n  no_such_tactic"})
        assert result.structured_content["verdict"] == "rejected" and not result.is_error, result
        result = await client.call_tool("run_python", {"code": "print(6 * 7)"})
        assert result.structured_content["stdout"] == "42\n", result
        result = await client.call_tool("lean_diagnostics", {"code": "theorem t (n : Nat) : n = n := by\n  sorry"})
        assert result.structured_content["goals"][0]["goal"] == "n : Nat\n⊢ n = n", result
        result = await client.call_tool("run_python", {"code": "x", "timeout_s": -1})
        assert result.is_error and "timeout_s" in result.content[0].text, result
        try:
            await client.call_tool("no_such_tool", {})
        except MCPError as error:
            assert "no tool of this name" in str(error), error
        else:
            raise AssertionError("a tool that does not exist was called")
        print("ok", mode, client.protocol_version, flush=True)


async def main():
    await session("legacy")
    await session("auto")


asyncio.run(main())
