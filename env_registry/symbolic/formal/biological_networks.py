"""Published Boolean models of gene regulation and signalling: facts, as data.

Owns the rules, where they come from and which nodes tell a cell's fate. A rule line is `node = expression` of nodes
with `!`, `&` and `|` in disjunctive form, and goes on in lines that start with `|`; a node that is an input stays as it
is (`x = x`). Fates are values of marker nodes; no fate of a network is the exact opposite of another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class BiologicalNetwork:
    rules: str
    fates: Mapping[str, str]  # name of the fate -> marker nodes, `!node` where it must be off
    source: str


def _threshold(activators: Mapping[str, str], inhibitors: Mapping[str, str], decaying: str) -> str:
    """Rules of a threshold network: a node is on with more active activators than inhibitors, off with fewer; with as
    many it is off if `decaying`, else as before."""
    lines = []
    for node in dict.fromkeys((*activators, *inhibitors)):
        plus, minus = activators.get(node, "").split(), inhibitors.get(node, "").split()
        lines.append(f"{node} = {_majority(node, plus, minus, node in decaying.split())}")
    return "\n".join(lines)


def _majority(node: str, plus: list[str], minus: list[str], decays: bool) -> str:
    terms = []
    for pattern in range(1 << len(plus + minus)):
        values = {name: pattern >> i & 1 for i, name in enumerate(plus + minus)}
        balance = sum(values[name] for name in plus) - sum(values[name] for name in minus)
        if balance > 0 or (balance == 0 and not decays):
            literals = [name if on else f"!{name}" for name, on in values.items()]
            terms.append("&".join(literals + [node] * (balance == 0)))
    return " | ".join(terms) or f"{node} & !{node}"


NETWORKS = {
    "fission_yeast": BiologicalNetwork(
        rules="""
            Start = Start & !Start
            SK = Start
            Cdc2_Cdc13 = !Ste9 & !Rum1 & !Slp1
            Cdc2_Cdc13_A = Cdc25 & !Ste9 & !Rum1 & !Slp1 & !Wee1_Mik1
            Ste9 = !SK & !Cdc2_Cdc13 & PP & Ste9 | !SK & !Cdc2_Cdc13 & Ste9 & !Cdc2_Cdc13_A
                | !Cdc2_Cdc13 & PP & Ste9 & !Cdc2_Cdc13_A | !SK & PP & Ste9 & !Cdc2_Cdc13_A
                | !SK & !Cdc2_Cdc13 & PP & !Cdc2_Cdc13_A
            Rum1 = !SK & !Cdc2_Cdc13 & PP & Rum1 | !SK & !Cdc2_Cdc13 & Rum1 & !Cdc2_Cdc13_A
                | !Cdc2_Cdc13 & PP & Rum1 & !Cdc2_Cdc13_A | !SK & PP & Rum1 & !Cdc2_Cdc13_A
                | !SK & !Cdc2_Cdc13 & PP & !Cdc2_Cdc13_A
            Slp1 = Cdc2_Cdc13_A
            Cdc25 = Cdc2_Cdc13 & !PP | Cdc2_Cdc13 & Cdc25 | !PP & Cdc25
            Wee1_Mik1 = !Cdc2_Cdc13 & PP | PP & Wee1_Mik1 | !Cdc2_Cdc13 & Wee1_Mik1
            PP = Slp1
        """,
        fates={
            "g1": "!Cdc2_Cdc13 !Cdc2_Cdc13_A Ste9 Rum1 !Slp1",
            "g2": "Cdc2_Cdc13 !Cdc2_Cdc13_A !Ste9 !Rum1 Wee1_Mik1",
            "mitosis": "Cdc2_Cdc13_A Cdc25 !Wee1_Mik1",
        },
        source="https://doi.org/10.1371/journal.pone.0001672",
    ),
    "budding_yeast": BiologicalNetwork(
        rules=_threshold(
            {
                "Cln3": "",
                "MBF": "Cln3",
                "SBF": "Cln3",
                "Cln12": "SBF",
                "Cdh1": "Cdc20",
                "Swi5": "Cdc20 Mcm1",
                "Cdc20": "Clb12 Mcm1",
                "Clb56": "MBF",
                "Sic1": "Cdc20 Swi5",
                "Clb12": "Clb56 Mcm1",
                "Mcm1": "Clb56 Clb12",
            },
            {
                "MBF": "Clb12",
                "SBF": "Clb12",
                "Cdh1": "Cln12 Clb56 Clb12",
                "Swi5": "Clb12",
                "Clb56": "Cdc20 Sic1",
                "Sic1": "Cln12 Clb56 Clb12",
                "Clb12": "Cdc20 Cdh1 Sic1",
            },
            "Cln3 Cln12 Swi5 Cdc20 Mcm1",
        ),
        fates={
            "g1": "Cdh1 Sic1 !Clb56 !Clb12 !Cln12",
            "start": "SBF MBF Cln12",
            "mitosis": "Clb12 Mcm1 Cdc20",
        },
        source="https://doi.org/10.1073/pnas.0305937101",
    ),
    "yeast_cycle": BiologicalNetwork(
        rules="""
            CD = M & FEAR & Cdc14 & !CD
            CKI = Swi5 & !Cln2 & !Clb5 & !Clb2 | !Cln2 & !Clb5 & !Clb2 & CKI | Swi5 & Cdc14
            Cdc14 = MEN & FEAR
            Cdc20 = M & SFF & Clb2
            Cdh1 = !Cln2 & !Clb5 & !Clb2 | Cdc14
            Clb2 = SFF & Clb2 & !Cdh1 & !CKI | SFF & Clb2 & !Cdc20 & !CKI | B & !Cdh1 & !CKI | B & !Cdc20 & !CKI
            Clb5 = SMBF & !Cdc20
            Cln2 = SMBF
            Cln3 = !Yhp1
            FEAR = Cdc20
            MEN = FEAR & Clb2
            SFF = B & !Cdh1 & !CKI | B & !Cdc20 & !CKI | SFF & Clb2
            SMBF = SMBF & !Clb2 | Cln3 & !Clb2 | Cln2 & !Clb2
            Swi5 = SFF & !Clb2 | SFF & Cdc14
            Yhp1 = SMBF
            B = B & !CD | Cln2 & !CD | Clb5 & !CD
            M = S & Clb2 & !CD | M & !CD
            S = S & !CD | Clb5 & !CD | Clb2 & !CD
        """,
        fates={
            "budding": "B !M !CD",
            "mitosis": "M Clb2 Cdc20",
            "division": "CD !Clb2 Cdh1",
            "arrest": "!B !M !S Cdh1",
        },
        source="Irons 2009, Journal of Theoretical Biology 257(4)",
    ),
    "mammalian_cycle": BiologicalNetwork(
        rules="""
            CycD = CycD
            Rb = !CycD & !CycE & !CycA & !CycB | p27 & !CycD & !CycB
            E2F = !Rb & !CycA & !CycB | p27 & !Rb & !CycB
            CycE = E2F & !Rb
            CycA = E2F & !Rb & !Cdc20 & !Cdh1 | E2F & !Rb & !Cdc20 & !UbcH10 | CycA & !Rb & !Cdc20 & !Cdh1
                | CycA & !Rb & !Cdc20 & !UbcH10
            p27 = !CycD & !CycE & !CycA & !CycB | p27 & !CycD & !CycB & !CycE | p27 & !CycD & !CycB & !CycA
            Cdc20 = CycB
            Cdh1 = !CycA & !CycB | Cdc20 | p27 & !CycB
            UbcH10 = !Cdh1 | UbcH10 & Cdc20 | UbcH10 & CycA | UbcH10 & CycB
            CycB = !Cdc20 & !Cdh1
        """,
        fates={"quiescence": "Rb p27 !CycE !CycA !CycB", "synthesis": "CycA !CycB !Rb", "mitosis": "CycB !Cdh1"},
        source="https://doi.org/10.1093/bioinformatics/btl210",
    ),
    "lac_operon": BiologicalNetwork(
        rules="""
            Ge = Ge
            Le = Le
            Lem = Lem
            M = C & !R & !Rm
            P = M
            B = M
            C = !Ge
            R = !A & !Am
            Rm = !A & !Am | R
            A = L & B
            Am = L | Lm
            L = !Ge & P & Le
            Lm = !Ge & Lem & P | !Ge & Le
        """,
        fates={"on": "M P B"},
        source="https://doi.org/10.1089/cmb.2011.0031",
    ),
    "segment_polarity": BiologicalNetwork(
        rules="""
            SLP = SLP
            nWG = nWG
            nHH = nHH
            wg = CIA & SLP & !CIR | wg & CIA & !CIR | wg & SLP & !CIR
            WG = wg
            en = nWG & !SLP
            EN = en
            hh = EN & !CIR
            HH = hh
            ptc = CIA & !EN & !CIR
            PTC = ptc | PTC & !nHH
            PH = PTC & nHH
            SMO = !PTC | nHH
            ci = !EN
            CI = ci
            CIA = CI & !PTC | CI & nHH
            CIR = CI & PTC & !nHH
        """,
        fates={"wingless": "wg WG !en !EN", "engrailed": "en EN hh HH", "patched": "ptc PTC !wg !en"},
        source="https://doi.org/10.1016/S0022-5193(03)00035-3",
    ),
    "root_stem_cell": BiologicalNetwork(
        rules="""
            PLT = ARF
            AUXINS = AUXINS
            IAA = !AUXINS
            ARF = !IAA
            SHR = SHR
            SCR = SHR & SCR & JKD | SHR & SCR & !MGP
            JKD = SHR & SCR
            MGP = SHR & SCR & !WOX
            WOX = ARF & SHR & SCR & !MGP | ARF & SHR & SCR & WOX
        """,
        fates={
            "quiescent_centre": "SCR WOX !MGP PLT",
            "endodermis": "SCR MGP !WOX PLT",
            "vascular": "SHR !SCR !JKD PLT",
        },
        source="https://doi.org/10.1186/1471-2105-12-490",
    ),
    "apoptosis": BiologicalNetwork(
        rules="""
            TNF = TNF
            A20a = TNF & NFkBnuc
            C3a = !IAP & C8a
            C8a = T2 & !CARP | !CARP & C3a
            CARP = !TNF & NFkB | !TNF & !C3a | NFkBnuc & !C3a
            FLIP = NFkBnuc
            IAP = !TNF & NFkBnuc | !TNF & !C3a | NFkBnuc & !C3a
            IKKa = TNF & !C3a & !A20a
            IkB = !TNF & NFkBnuc | !TNF & !IKKa | NFkBnuc & !IKKa
            NFkB = !IkB
            NFkBnuc = NFkB & !IkB
            T2 = TNF & !FLIP
        """,
        fates={"death": "C3a C8a", "survival": "!C3a !C8a IAP CARP", "inflammation": "NFkBnuc IKKa !C3a"},
        source="Tournier and Chaves 2009, Journal of Theoretical Biology 260(2)",
    ),
    "myeloid": BiologicalNetwork(
        rules="""
            GATA2 = GATA2 & !GATA1 & !PU1 | GATA2 & !FOG1 & !PU1
            GATA1 = GATA1 & !PU1 | GATA2 & !PU1 | Fli1 & !PU1
            FOG1 = GATA1
            EKLF = GATA1 & !Fli1
            Fli1 = GATA1 & !EKLF
            SCL = GATA1 & !PU1
            CEBPA = CEBPA & !GATA1 | CEBPA & !FOG1 | CEBPA & !SCL
            PU1 = CEBPA & !GATA1 & !GATA2 | PU1 & !GATA1 & !GATA2
            cJun = PU1 & !Gfi1
            EgrNab = PU1 & cJun & !Gfi1
            Gfi1 = CEBPA & !EgrNab
        """,
        fates={
            "erythrocyte": "GATA1 EKLF !Fli1 !PU1",
            "megakaryocyte": "GATA1 Fli1 !EKLF !PU1",
            "monocyte": "PU1 cJun EgrNab !Gfi1",
            "granulocyte": "PU1 CEBPA Gfi1 !cJun !EgrNab",
        },
        source="https://doi.org/10.1371/journal.pone.0022649",
    ),
    "cell_fate": BiologicalNetwork(
        rules="""
            FADD = FADD
            FASL = FASL
            TNF = TNF
            ATP = !MPT
            BAX = CASP8 & !BCL2
            BCL2 = NFkB
            CASP3 = !XIAP & apoptosome
            CASP8 = DISC_TNF & !cFLIP | DISC_FAS & !cFLIP | CASP3 & !cFLIP
            Cyt_c = MOMP
            DISC_FAS = FASL & FADD
            DISC_TNF = TNFR & FADD
            IKK = RIP1ub
            MOMP = BAX | MPT
            MPT = !BCL2 & ROS
            NFkB = IKK & !CASP3
            RIP1 = TNFR & !CASP8 | DISC_FAS & !CASP8
            RIP1K = RIP1
            RIP1ub = RIP1 & cIAP
            ROS = MPT & !NFkB | RIP1K & !NFkB
            SMAC = MOMP
            TNFR = TNF
            XIAP = NFkB & !SMAC
            apoptosome = ATP & Cyt_c & !XIAP
            cFLIP = NFkB
            cIAP = NFkB & !SMAC | cIAP & !SMAC
        """,
        fates={"survival": "NFkB !CASP3 ATP", "apoptosis": "CASP3 !NFkB ATP", "necrosis": "!ATP MPT !NFkB"},
        source="https://doi.org/10.1371/journal.pcbi.1000702",
    ),
    "guard_cell": BiologicalNetwork(
        rules="""
            NOS = Ca2
            NO = NOS
            GC = NO
            ADPRc = NO
            cADPR = ADPRc
            cGMP = GC
            PLC = Ca2
            InsP3 = PLC
            CIS = cGMP & cADPR | InsP3
            Ca2ATP = Ca2
            Ca2 = CIS & !Ca2ATP
            KAP = !Ca2
            KEV = Ca2
        """,
        fates={"calcium": "Ca2 CIS KEV"},
        source="Saadatpour, Albert and Albert 2010, Journal of Theoretical Biology 266(4)",
    ),
    "melanoma": BiologicalNetwork(
        rules="""
            WNT5A = !HADHB
            pirin = pirin & RET1 | pirin & HADHB | RET1 & HADHB
            S100P = !STC2
            RET1 = RET1
            MART1 = pirin | !STC2
            HADHB = S100P | RET1
            STC2 = !pirin | STC2
        """,
        fates={"benign": "!WNT5A MART1", "invasive": "WNT5A !S100P"},
        source="Xiao and Dougherty 2007, Bioinformatics 23(10)",
    ),
    "neuroblastoma": BiologicalNetwork(
        rules="""
            CentrosomeMat = CDK1CCNB & !SpindleAssembly
            SpindleAssembly = CentrosomeMat & !Cytokinesis
            Cytokinesis = SpindleAssembly & !CentrosomeMat
            AURKA = AURKAPresent & TPX2 & !AURKA | AURKAPresent & TPX2 & !PP1 | AURKAPresent & AJUBA & BORA & !AURKA
                | AURKAPresent & AJUBA & BORA & !PP1 | AURKAPresent & AJUBA & NEDD9 & !AURKA
                | AURKAPresent & AJUBA & NEDD9 & !PP1
            AURKAPresent = !PP2A
            GSK3B = GSK3B
            AJUBA = AJUBA
            MTCanAct = MTCanAct
            STMNCanAct = STMNCanAct
            CDK1CCNB = !Cytokinesis & !WEE1 | !Cytokinesis & hCPEB | !Cytokinesis & CDC25B
            CDC25B = AURKA & !Cytokinesis | PLK1 & !Cytokinesis
            BORA = GSK3B & Cytokinesis & !PLK1 | !Cytokinesis
            MASTL = CDK1CCNB & !PP2A
            hCPEB = AURKA
            MT = !STMN
            NEDD9 = AURKA
            ENSA = MASTL
            PLK1 = AURKA | !STMN & STMNCanAct | MT & MTCanAct
            PP1 = !Cytokinesis & !AURKA & !CDK1CCNB
            PP2A = PP1 & !ENSA
            STMN = !AURKA
            TPX2 = PLK1
            WEE1 = !PLK1
        """,
        fates={"division": "Cytokinesis", "spindle": "SpindleAssembly !Cytokinesis", "arrest": "!CDK1CCNB !AURKA PP2A"},
        source="Dahlhaus et al. 2016, Cancer Letters 371(1)",
    ),
    "t_cell_receptor": BiologicalNetwork(
        rules="""
            CD45 = CD45
            CD8 = CD8
            TCRlig = TCRlig
            Fyn = TCRbind & CD45 | LCK & CD45
            LCK = !PAGCsk & CD8 & CD45
            PAGCsk = !TCRbind
            TCRbind = !cCbl & TCRlig
            TCRphos = TCRbind & LCK | Fyn
            ZAP70 = !cCbl & TCRphos & LCK
            cCbl = ZAP70
            AP1 = Jun & Fos
            CRE = CREB
            CREB = Rsk
            Ca = IP3
            Calcin = Ca
            DAG = PLCg_a
            ERK = MEK
            Fos = ERK
            Gads = LAT
            Grb2Sos = LAT
            IKK = PKCth
            IP3 = PLCg_a
            IkB = !IKK
            Itk = ZAP70 & Slp76
            JNK = SEK
            Jun = JNK
            LAT = ZAP70
            MEK = Raf
            NFAT = Calcin
            NFkB = !IkB
            PKCth = DAG
            PLCg_a = ZAP70 & Slp76 & Rlk & PLCg_b | ZAP70 & Slp76 & PLCg_b & Itk
            PLCg_b = LAT
            Raf = Ras
            Ras = RasGRP1 & Grb2Sos
            RasGRP1 = PKCth & DAG
            Rlk = LCK
            Rsk = ERK
            SEK = PKCth
            Slp76 = Gads
        """,
        fates={"active": "AP1 NFAT NFkB CRE", "anergic": "NFAT !AP1"},
        source="https://doi.org/10.1186/1471-2105-7-56",
    ),
    "t_lgl_leukaemia": BiologicalNetwork(
        rules="""
            PDGF = PDGF
            IL15 = IL15
            Stimuli = Stimuli
            Stimuli2 = Stimuli2
            CD45 = CD45
            TAX = TAX
            CTLA4 = TCR
            TCR = Stimuli & !CTLA4
            PDGFR = S1P | PDGF
            FYN = TCR | IL2RB
            Cytoskeleton = FYN
            LCK = CD45 | TCR & !ZAP70 | IL2RB & !ZAP70
            ZAP70 = LCK & !FYN
            GRB2 = IL2RB | ZAP70
            PLCG1 = GRB2 | PDGFR
            RAS = GRB2 & !GAP | PLCG1 & !GAP
            GAP = RAS & !IL15 & !IL2 | PDGFR & GAP & !IL15 & !IL2
            MEK = RAS
            ERK = MEK & PI3K
            PI3K = PDGFR | RAS
            NFKB = TPL2 | PI3K | FLIP & TRADD & IAP
            NFAT = PI3K
            RANTES = NFKB
            IL2 = NFKB & !TBET | STAT3 & !TBET | NFAT & !TBET
            IL2RBT = ERK & TBET
            IL2RB = IL2RBT & IL2 | IL2RBT & IL15
            IL2RAT = IL2 & STAT3 | IL2 & NFKB
            IL2RA = IL2 & IL2RAT & !IL2RA
            JAK = IL2RA & !SOCS & !CD45 | IL2RB & !SOCS & !CD45 | RANTES & !SOCS & !CD45 | IFNG & !SOCS & !CD45
            SOCS = JAK & !IL2 & !IL15
            STAT3 = JAK
            P27 = STAT3
            Proliferation = STAT3 & !P27
            TBET = JAK | TBET
            CREB = ERK & IFNG
            IFNGT = TBET | STAT3 | NFAT
            IFNG = IL2 & IFNGT & !SMAD & !P2 | IL15 & IFNGT & !SMAD & !P2 | Stimuli & IFNGT & !SMAD & !P2
            P2 = IFNG & !Stimuli2 | P2 & !Stimuli2
            GZMB = CREB & IFNG | TBET
            TPL2 = TAX | PI3K & TNF
            TNF = NFKB
            TRADD = TNF & !IAP & !A20
            FasL = STAT3 | NFKB | NFAT | ERK
            FasT = NFKB
            Fas = FasT & FasL & !sFas
            sFas = FasT & S1P
            Ceramide = Fas & !S1P
            DISC = FasT & Fas & IL2 | FasT & Ceramide | FasT & Fas & !FLIP
            Caspase = TRADD & BID & !IAP | GZMB & BID & !IAP | DISC
            FLIP = NFKB & !DISC | CREB & IFNG & !DISC
            A20 = NFKB
            BID = Caspase & !BclxL & !MCL1 | GZMB & !BclxL & !MCL1
            IAP = NFKB & !BID
            BclxL = NFKB & !BID & !GZMB & !DISC | STAT3 & !BID & !GZMB & !DISC
            MCL1 = IL2RB & STAT3 & NFKB & PI3K & !DISC
            Apoptosis = Caspase
            GPCR = S1P
            SMAD = GPCR
            SPHK1 = PDGFR
            S1P = SPHK1 & !Ceramide
        """,
        fates={
            "apoptosis": "Apoptosis Caspase",
            "leukaemic": "!Apoptosis S1P !Fas TBET",
            "proliferation": "Proliferation",
        },
        source="https://doi.org/10.1371/journal.pcbi.1004193",
    ),
    "bladder_tumour": BiologicalNetwork(
        rules="""
            EGFR_stimulus = EGFR_stimulus
            FGFR3_stimulus = FGFR3_stimulus
            DNA_damage = DNA_damage
            Growth_inhibitors = Growth_inhibitors
            E2F1_medium = E2F1_high | !RBL2 & !RB1 & ATM_high & CHEK_high & RAS
                | !RBL2 & !RB1 & ATM_high & CHEK_high & E2F3_high
            E2F1_high = E2F1_medium & !RB1 & !RBL2 & !CHEK_high & RAS
                | E2F1_medium & !RB1 & !RBL2 & !CHEK_high & E2F3_medium
                | E2F1_medium & !RB1 & !RBL2 & !ATM_high & RAS
                | E2F1_medium & !RB1 & !RBL2 & !ATM_high & E2F3_medium
                | E2F1_medium & !RB1 & !RBL2 & CHEK_high & ATM_high & !RAS & E2F3_medium
            E2F3_medium = E2F3_high | !RB1 & !CHEK_high & RAS
            E2F3_high = E2F3_medium & !RB1 & CHEK_high & RAS
            ATM_medium = ATM_high | DNA_damage & !E2F1_medium
            ATM_high = ATM_medium & DNA_damage & E2F1_medium
            CHEK_medium = CHEK_high | ATM_medium & !E2F1_medium
            CHEK_high = CHEK_medium & ATM_medium & E2F1_medium
            EGFR = EGFR_stimulus & !FGFR3 & !GRB2 | SPRY & !FGFR3 & !GRB2
            FGFR3 = !EGFR & FGFR3_stimulus & !GRB2
            RAS = EGFR | FGFR3 | GRB2
            PTEN = TP53
            PI3K = GRB2 & RAS & !PTEN
            AKT = PI3K
            GRB2 = FGFR3 & !GRB2 & !SPRY | EGFR
            SPRY = RAS
            CyclinD1 = RAS & !p16INK4a & !p21CIP | AKT & !p16INK4a & !p21CIP
            CyclinE1 = !RBL2 & !p21CIP & CDC25A & E2F1_medium | !RBL2 & !p21CIP & CDC25A & E2F3_medium
            CyclinA = !RBL2 & !p21CIP & CDC25A & E2F1_medium | !RBL2 & !p21CIP & CDC25A & E2F3_medium
            CDC25A = !CHEK_medium & !RBL2 & E2F1_medium | !CHEK_medium & !RBL2 & E2F3_medium
            p16INK4a = Growth_inhibitors & !RB1
            p14ARF = E2F1_medium
            RB1 = !CyclinD1 & !CyclinE1 & !p16INK4a & !CyclinA
            RBL2 = !CyclinD1 & !CyclinE1
            p21CIP = !CyclinE1 & Growth_inhibitors & !AKT | !CyclinE1 & TP53 & !AKT
            MDM2 = TP53 & !p14ARF & !ATM_medium & !RB1 | AKT & !p14ARF & !ATM_medium & !RB1
            TP53 = !MDM2 & ATM_medium & CHEK_medium | !MDM2 & E2F1_high
            Proliferation = CyclinE1 | CyclinA
            Growth_arrest = p21CIP | RB1 | RBL2
            Apoptosis_medium = Apoptosis_high | !E2F1_high & TP53
            Apoptosis_high = Apoptosis_medium & E2F1_high
        """,
        fates={
            "proliferation": "Proliferation !Growth_arrest",
            "growth_arrest": "Growth_arrest !Proliferation !Apoptosis_medium",
            "apoptosis": "Apoptosis_medium !Proliferation",
        },
        source="Rémy et al. 2015, Cancer Research 75(19)",
    ),
}

FATES = tuple(f"{network}.{fate}" for network, facts in NETWORKS.items() for fate in facts.fates)
