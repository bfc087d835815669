--- The BAR table that comes with gpupt, in the format that a user's own file has as well (see gpupt.bar.load).
-- Columns, parted by "|":
--   vendor:device   four hexadecimal digits each
--   name
--   variant         empty, or what tells this form of the card from the others with the same id; the first row of an
--                   id is the one that is assumed when nothing was measured: the largest, because a window too large
--                   costs address space only, while one too small stops the VM
--   BARs            index:kind:size, kind io, mem32 or mem64 (mem64 is taken as prefetchable); "-" = not known
--   mark            S from a public source, I inferred from sourced data, T agrees with NVIDIA's table of windows,
--                   M from memory, not verified
--   source
-- A row is a fallback: BARs measured on the machine (vmware.log, sysfs, lspci) always win.
return [[
10de:1024 | Tesla K40c | | 0:mem32:16M 1:mem64:256M 3:mem64:32M | S | public lspci output
10de:1023 | Tesla K40m | | 0:mem32:16M 1:mem64:16G 3:mem64:32M | M | -
10de:102d | Tesla K80 (one of two GPUs) | | 0:mem32:16M 1:mem64:16G 3:mem64:32M | S | public lspci output
10de:13f2 | Tesla M60 | | 0:mem32:16M 1:mem64:256M 3:mem64:32M | M | -
10de:1bb3 | Tesla P4 | | 0:mem32:16M 1:mem64:256M 3:mem64:32M | M | -
10de:1b38 | Tesla P40 | | 0:mem32:16M 1:mem64:32G 3:mem64:32M | S | vmware.log of ESXi 8.0.2
10de:15f8 | Tesla P100 PCIe 16GB | | 0:mem32:16M 1:mem64:16G 3:mem64:32M | S | Kata Containers GPU guide
10de:15f7 | Tesla P100 PCIe 12GB | | 0:mem32:16M 1:mem64:16G 3:mem64:32M | S | Kata Containers GPU guide
10de:1db1 | Tesla V100 SXM2 16GB | | 0:mem32:16M 1:mem64:16G 3:mem64:32M | M | VMware: "16 GB+"
10de:1db4 | Tesla V100 PCIe 16GB | | 0:mem32:16M 1:mem64:16G 3:mem64:32M | M | VMware: "16 GB+"
10de:1db5 | Tesla V100 SXM2 32GB | | 0:mem32:16M 1:mem64:32G 3:mem64:32M | S | VMware blog, 2018
10de:1db6 | Tesla V100 PCIe 32GB | | 0:mem32:16M 1:mem64:32G 3:mem64:32M | S | VMware blog, 2018
10de:1df6 | Tesla V100S PCIe 32GB | | 0:mem32:16M 1:mem64:32G 3:mem64:32M | S | VMware blog, 2018
10de:1eb8 | Tesla T4 | | 0:mem32:16M 1:mem64:256M 3:mem64:32M | S | cloud-hypervisor #434
10de:1e30 | Quadro RTX 8000/6000 | passive board | 0:mem32:16M 1:mem64:32G 3:mem64:32M | T | NVIDIA AI Enterprise table
10de:1e30 | Quadro RTX 8000/6000 | workstation board | 0:mem32:16M 1:mem64:256M 3:mem64:32M | S | public lspci output
10de:1e78 | RTX 8000/6000 passive | passive board | 0:mem32:16M 1:mem64:32G 3:mem64:32M | T | NVIDIA AI Enterprise table
10de:1e78 | RTX 8000/6000 passive | as shipped | 0:mem32:16M 1:mem64:256M 3:mem64:32M | S | public lspci output
10de:20b0 | A100 SXM4 40GB | | 0:mem32:16M 1:mem64:64G 3:mem64:32M | S | public lspci output
10de:20f1 | A100 PCIe 40GB | | 0:mem32:16M 1:mem64:64G 3:mem64:32M | S | public lspci output
10de:20b2 | A100 SXM4 80GB | | 0:mem32:16M 1:mem64:128G 3:mem64:32M | S | vmware.log: 33566722 pages
10de:20b5 | A100 PCIe 80GB | | 0:mem32:16M 1:mem64:128G 3:mem64:32M | S | vmware.log: 33566722 pages
10de:20f3 | A800 SXM4 80GB | | 0:mem32:16M 1:mem64:128G 3:mem64:32M | M | -
10de:20f5 | A800 PCIe 80GB | | 0:mem32:16M 1:mem64:128G 3:mem64:32M | M | -
10de:20b7 | A30 | | 0:mem32:16M 1:mem64:32G 3:mem64:32M | T | NVIDIA AI Enterprise table
10de:2236 | A10 | | 0:mem32:16M 1:mem64:32G 3:mem64:32M | T | NVIDIA AI Enterprise table
10de:2237 | A10G | | 0:mem32:16M 1:mem64:32G 3:mem64:32M | M | -
10de:25b6 | A2 / A16 (one of four GPUs) | | 0:mem32:16M 1:mem64:16G 3:mem64:32M | M | -
10de:2235 | A40 | | 0:mem32:16M 1:mem64:64G 3:mem64:32M | T | NVIDIA AI Enterprise table
10de:2230 | RTX A6000 | | 0:mem32:16M 1:mem64:64G 3:mem64:32M | T | NVIDIA AI Enterprise table
10de:2231 | RTX A5000 | | 0:mem32:16M 1:mem64:32G 3:mem64:32M | T | NVIDIA AI Enterprise table; id from memory
10de:2233 | RTX A5500 | | 0:mem32:16M 1:mem64:32G 3:mem64:32M | T | NVIDIA AI Enterprise table; id from memory
10de:2204 | GeForce RTX 3090 | Resizable BAR on | 0:mem32:16M 1:mem64:32G 3:mem64:32M | M | as the 3090 Ti
10de:2204 | GeForce RTX 3090 | Resizable BAR off | 0:mem32:16M 1:mem64:256M 3:mem64:32M | M | as the 3090 Ti
10de:2203 | GeForce RTX 3090 Ti | Resizable BAR on | 0:mem32:16M 1:mem64:32G 3:mem64:32M | S | public lspci output
10de:2203 | GeForce RTX 3090 Ti | Resizable BAR off | 0:mem32:16M 1:mem64:256M 3:mem64:32M | S | public lspci output
10de:2684 | GeForce RTX 4090 | Resizable BAR on | 0:mem32:16M 1:mem64:32G 3:mem64:32M | S | public lspci output
10de:2684 | GeForce RTX 4090 | Resizable BAR off | 0:mem32:16M 1:mem64:256M 3:mem64:32M | S | public lspci output
10de:26b5 | L40 | | 0:mem32:16M 1:mem64:64G 3:mem64:32M | T | NVIDIA AI Enterprise table; as the L40S
10de:26b9 | L40S | | 0:mem32:16M 1:mem64:64G 3:mem64:32M | S | public lspci output
10de:26ba | L20 | | 0:mem32:16M 1:mem64:64G 3:mem64:32M | T | NVIDIA AI Enterprise table
10de:26b7 | L20 (other id seen) | | 0:mem32:16M 1:mem64:64G 3:mem64:32M | T | NVIDIA AI Enterprise table
10de:27b8 | L4 | | 0:mem32:16M 1:mem64:32G 3:mem64:32M | S | vmware.log: 33587200 KB
10de:27b6 | L2 | | 0:mem32:16M 1:mem64:32G 3:mem64:32M | T | NVIDIA AI Enterprise table
10de:26b1 | RTX 6000 Ada | | 0:mem32:16M 1:mem64:64G 3:mem64:32M | S | public lspci output
10de:26b2 | RTX 5000 Ada | | 0:mem32:16M 1:mem64:32G 3:mem64:32M | T | NVIDIA AI Enterprise table
10de:2330 | H100 SXM5 80GB | | 0:mem64:16M 2:mem64:128G 4:mem64:32M | S | fastfetch #1658
10de:2331 | H100 PCIe | | 0:mem64:16M 2:mem64:128G 4:mem64:32M | S | fastfetch #1658
10de:2339 | H100 SXM5 94GB | | 0:mem64:16M 2:mem64:128G 4:mem64:32M | S | fastfetch #1658
10de:2321 | H100 NVL | | 0:mem64:16M 2:mem64:128G 4:mem64:32M | S | fastfetch #1658
10de:2329 | H20 96GB | | 0:mem64:16M 2:mem64:128G 4:mem64:32M | S | nvtrust #128
10de:232c | H20 141GB | | 0:mem64:16M 2:mem64:256G 4:mem64:32M | T | NVIDIA AI Enterprise table
10de:2335 | H200 SXM | | 0:mem64:16M 2:mem64:256G 4:mem64:32M | T | NVIDIA AI Enterprise table
10de:233b | H200 NVL | | 0:mem64:16M 2:mem64:256G 4:mem64:32M | T | NVIDIA AI Enterprise table
10de:2342 | GH200 120GB | | - | S | id only
10de:2348 | GH200 144GB | | - | S | id only
10de:2901 | B200 | | 0:mem64:64M 2:mem64:256G 4:mem64:32M | S | public lspci output
10de:2941 | GB200 | | - | S | id only
10de:2f04 | GeForce RTX 5070 | | 0:mem32:64M 1:mem64:16G 3:mem64:32M 5:io:128 | S | Qubes OS #10036
10de:2b85 | GeForce RTX 5090 | | 0:mem32:64M 1:mem64:32G 3:mem64:32M | M | -
10de:2bb5 | RTX PRO 6000 Blackwell | | 0:mem32:64M 1:mem64:128G 3:mem64:32M | M | -
10de:2bb4 | RTX PRO 6000 Blackwell | | 0:mem32:64M 1:mem64:128G 3:mem64:32M | M | -
1002:6860 | AMD Instinct MI25 | | 0:mem64:16G 2:mem64:2M 5:mem32:512K | M | -
1002:66a1 | AMD Instinct MI50 | 32 GB | 0:mem64:32G 2:mem64:2M 5:mem32:512K | M | -
1002:66a1 | AMD Instinct MI50 | 16 GB | 0:mem64:16G 2:mem64:2M 5:mem32:512K | M | -
1002:66a0 | AMD Instinct MI60 | 32 GB | 0:mem64:32G 2:mem64:2M 5:mem32:512K | M | -
1002:66a0 | AMD Instinct MI60 | 16 GB | 0:mem64:16G 2:mem64:2M 5:mem32:512K | M | -
1002:738c | AMD Instinct MI100 | | 0:mem64:32G 2:mem64:2M 5:mem32:512K | M | -
1002:740f | AMD Instinct MI210 | | 0:mem64:64G 2:mem64:2M 5:mem32:512K | S | AMD MI210 guide: window of 2 x VRAM
1002:7408 | AMD Instinct MI250X | | 0:mem64:64G 2:mem64:2M 5:mem32:512K | M | -
1002:740c | AMD Instinct MI250X/MI250 | | 0:mem64:64G 2:mem64:2M 5:mem32:512K | M | -
1002:74a1 | AMD Instinct MI300X | | 0:mem64:256G 2:mem64:2M 5:mem32:512K | M | -
1002:74a2 | AMD Instinct MI308X | | 0:mem64:256G 2:mem64:2M 5:mem32:512K | M | -
1002:74a5 | AMD Instinct MI325X | | 0:mem64:256G 2:mem64:2M 5:mem32:512K | M | -
1002:74a0 | AMD Instinct MI300A | | 0:mem64:256G 2:mem64:2M 5:mem32:512K | M | -
1002:74b5 | AMD Instinct MI300X VF | | 0:mem64:256G 2:mem64:2M 5:mem32:512K | M | -
1002:74b9 | AMD Instinct MI325X VF | | 0:mem64:256G 2:mem64:2M 5:mem32:512K | M | -
1002:7550 | AMD Radeon RX 9070 | | 0:mem64:16G 2:mem64:256M 5:mem32:512K | S | public lspci output
]]
